//! Who is admitted: subprotocols, tokens and sessions, and how a newer connection replaces an older one.

use crate::support::scenario::{TempFile, upgrade};
use crate::support::schema::Side;
use crate::support::wire::whole;
use crate::support::{Chat, Desk, Launch, PATIENCE, Peer, Request, TOKEN, Wire, json, op};

// --- subprotocol

#[test]
fn deskwire_v1_is_selected_if_it_was_offered_and_nothing_if_not() {
    let desk = Desk::start();
    let secret = format!("secret.{TOKEN}");
    let both = format!("deskwire.v1, {secret}");
    let tight = format!("deskwire.v1,{secret}");
    let more = format!("chat, deskwire.v1, {secret}");
    let cases: [(&[&str], Option<&str>); 8] = [
        (&[], None),
        (&["deskwire.v1"], Some("deskwire.v1")),
        (&[&both], Some("deskwire.v1")),
        (&[&tight], Some("deskwire.v1")),
        (&[&more], Some("deskwire.v1")),
        // RFC 6455 11.3.4: the header may be split over several lines.
        (&["deskwire.v1", &secret], Some("deskwire.v1")),
        (&[&secret], None),
        (&["deskwire.v2, chat"], None),
    ];
    for (number, (offers, selected)) in cases.into_iter().enumerate() {
        let offered =
            |request: Request| offers.iter().fold(request, |r, o| r.header("Sec-WebSocket-Protocol", o));
        let request = offered(Request::upgrade(&format!("/ws/user/{number}")));
        let (_, response) = Wire::ask(desk.server.addr, &request);
        assert_eq!(response.status, 101, "{offers:?}");
        assert_eq!(response.header("sec-websocket-protocol"), selected, "{offers:?}");

        // The secret counts whether the protocol was offered or not.
        let mut sam =
            Peer::open(desk.server.addr, Side::Staff, "sam", &offered(Request::upgrade("/ws/staff/sam")));
        if offers.iter().any(|offer| offer.contains(&secret)) {
            assert_eq!(sam.next()["type"], "welcome", "{offers:?}");
            sam.leave();
        } else {
            sam.expect_close(4401);
        }
    }
}

// --- the staff token

#[test]
fn staff_without_the_token_are_closed_with_4401_even_on_loopback() {
    let desk = Desk::start();
    let almost = &TOKEN[..TOKEN.len() - 1];
    let more = format!("{TOKEN}x");
    let upper = TOKEN.to_uppercase();
    for token in [None, Some("wrong"), Some(almost), Some(more.as_str()), Some(upper.as_str()), Some("")] {
        // Fails on any frame before the close frame.
        let mut sam = desk.staff_peer("sam", token);
        sam.expect_close_frame(4401);
        sam.write(&whole(op::CLOSE, &4401u16.to_be_bytes()));
        sam.expect_end();
    }
    let mut kim = desk.staff("kim");
    kim.nothing_more();
}

#[test]
fn a_wrong_secret_gets_nothing_but_a_close_frame() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    alice.create("private");
    let mut wire = desk.staff_peer("sam", Some("wrong")).into_wire();
    assert_eq!(wire.frame().close_code(), Some(4401));
    let mut wire = desk.user_peer("alice", Some("wrong")).into_wire();
    assert_eq!(wire.frame().close_code(), Some(4403));
    // Frames that such a connection sends are ignored.
    let mut wire = desk.staff_peer("sam", None).into_wire();
    let _ = wire.try_write(&whole(op::TEXT, br#"{"type":"go_online"}"#));
    assert_eq!(wire.frame().close_code(), Some(4401));
    assert_eq!(desk.staff("kim").welcome["staff"], json!([]));
}

#[test]
fn a_token_in_the_url_counts_for_nothing() {
    let desk = Desk::start();
    let request = Request::upgrade(&format!("/ws/staff/sam?token={TOKEN}&secret={TOKEN}"));
    let (mut wire, response) = Wire::ask(desk.server.addr, &request);
    assert!(response.status != 101 || wire.frame().close_code() == Some(4401));
}

#[test]
fn without_a_token_given_the_server_makes_one_and_prints_it_once_as_a_link() {
    let desk = Desk::of(Launch::bare().args(&["--listen", "127.0.0.1:0", "--log-level", "debug"]));
    let link = desk.server.out.wait("the link to the staff page", |line| line.contains("#token="));
    let url = link.split_whitespace().find(|word| word.contains("#token=")).expect("the link is a word");
    let (page, token) = url.split_once("#token=").expect("a fragment");
    assert_eq!(page, format!("http://{}/staff", desk.server.addr));
    // 256 bits are 43 characters of base64, or 64 of hex.
    assert!(token.len() >= 43, "{token} is too short for 256 bits");

    Peer::open(desk.server.addr, Side::Staff, "sam", &upgrade("staff", "sam", Some(token))).expect("welcome");
    desk.staff_peer("sam", Some(TOKEN)).expect_close(4401);
    let other = Desk::of(Launch::bare().args(&["--listen", "127.0.0.1:0"]));
    other.staff_peer("sam", Some(token)).expect_close(4401);

    let written = desk.server.stop();
    assert_eq!(written.stdout.iter().filter(|line| line.contains(token)).count(), 1);
    assert!(!written.stderr.iter().any(|line| line.contains(token)), "the token is in the log");
}

#[test]
fn a_token_from_the_environment_is_not_shown() {
    let desk = Desk::with(&["--log-level", "debug"]);
    desk.staff("sam").leave();
    let written = desk.server.stop();
    assert!(!written.stderr.iter().any(|line| line.contains(TOKEN)), "the token is in the log");
}

#[test]
fn on_an_address_beyond_loopback_nothing_starts_without_a_token() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let refused = Launch::bare().args(&["--listen", listen]).run();
        assert_eq!(refused.code, Some(2), "{listen}: {:?}", refused.stderr);
        assert_eq!(refused.stderr.len(), 1, "one clear line: {:?}", refused.stderr);
        assert!(refused.stdout.is_empty(), "no link to a desk that does not run: {:?}", refused.stdout);
    }
    let (token, hash) = (
        "sams-own-token-0123456789abcdef",
        "4d0a3a34a8b0284c55a2f76b10355ed10df3e6c4f628c6aa09300c71016d01cc",
    );
    let file = TempFile::new(&format!("sam {hash}\n"));
    let with_file = Desk::of(Launch::bare().args(&["--listen", "0.0.0.0:0", "--staff-file", file.path()]));
    with_file.staff_peer("sam", Some(token)).expect("welcome");
    let with_token = Desk::with(&["--listen", "0.0.0.0:0"]);
    with_token.staff("sam");
    with_token.staff_peer("sam", None).expect_close(4401);
}

// --- a user's session

#[test]
fn a_known_user_must_present_the_session() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    // 128 bits are 22 characters of base64.
    assert!(alice.session.len() >= 22, "{} is too short", alice.session);
    desk.user_peer("alice", None).expect_close(4403);
    desk.user_peer("alice", Some("guess")).expect_close(4403);
    let other = desk.user("bob").session;
    assert_ne!(other, alice.session);
    desk.user_peer("alice", Some(&other)).expect_close(4403);
    desk.user_peer("alice", Some(TOKEN)).expect_close(4403);
    alice.nothing_more();
    // Ids are case-sensitive.
    desk.user("Alice");
}

#[test]
fn a_user_with_an_open_ticket_stays_known_while_offline() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let ticket = alice.create("still open");
    let session = alice.session.clone();
    alice.leave();
    desk.user_peer("alice", None).expect_close(4403);
    let alice = desk.user_again("alice", &session);
    assert_eq!(alice.welcome["resumed"], true);
    assert_eq!(alice.welcome["ticket"]["ticket_id"], ticket.as_str());
    // Only the session of the last welcome counts.
    let session = alice.session.clone();
    alice.cut();
    assert_eq!(desk.user_again("alice", &session).welcome["resumed"], true);
}

#[test]
fn a_user_who_left_without_a_ticket_is_forgotten() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    alice.create("solved at once");
    alice.close_ticket();
    alice.expect("ticket_closed");
    let session = alice.session.clone();
    alice.leave();
    let alice = desk.user("alice");
    assert_ne!(alice.session, session);
    alice.leave();
    // An old session is not a reason to refuse a forgotten user: there is nothing to protect.
    let alice = desk.user_again("alice", &session);
    assert_eq!((&alice.welcome["resumed"], &alice.welcome["ticket"]), (&json!(false), &json!(null)));
}

#[test]
fn a_user_whose_ticket_closed_in_their_absence_is_known_for_the_grace_time() {
    let desk = Desk::with(&["--user-grace", "2"]);
    let mut sam = desk.staff("sam").online();
    let mut alice = desk.user("alice");
    let ticket = alice.create("solved without me");
    sam.pick(&ticket);
    alice.leave();
    sam.close_ticket(&ticket);
    sam.expect("ticket_removed");
    desk.user_peer("alice", None).expect_close(4403);
    // After the grace time anyone may use the id; until then each attempt is refused.
    let started = std::time::Instant::now();
    loop {
        let mut peer = desk.user_peer("alice", None);
        let mut quiet = desk.user("quiet");
        quiet.listen(std::time::Duration::from_millis(100));
        quiet.leave();
        if welcomed_or_closed(&mut peer) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "alice is still known");
    }
}

/// Whether the first frame is a welcome rather than a close frame.
fn welcomed_or_closed(peer: &mut Peer) -> bool {
    match peer.try_next() {
        Some(message) => message["type"] == "welcome" && message["resumed"] == false,
        None => false,
    }
}

// --- the same id again

#[test]
fn a_newer_connection_of_a_user_replaces_the_older_which_is_closed_with_4409() {
    let desk = Desk::start();
    let Chat { alice: mut older, mut sam, ticket } = desk.chat();
    let mut newer = desk.user_again("alice", &older.session);
    assert_eq!(newer.welcome["resumed"], true);
    assert_eq!(newer.welcome["ticket"]["ticket_id"], ticket.as_str());
    assert_eq!(newer.welcome["ticket"]["state"], "active");
    // Only the newer connection is sent anything from now on.
    sam.say(&ticket, 1, "which tab?");
    sam.expect("ack");
    assert_eq!(newer.expect("message")["text"], "which tab?");
    older.expect_close_frame(4409);
    assert!(older.try_received().is_none(), "the older one was sent something");
    older.say(9, "from the older one");
    older.write(&whole(op::CLOSE, &4409u16.to_be_bytes()));
    older.expect_end();
    // What the older one still sends is ignored, and its end leaves the user online.
    newer.say(1, "this one");
    assert_eq!(sam.expect("message")["text"], "this one");
    sam.say(&ticket, 2, "fine");
    assert_eq!(newer.expect("message")["text"], "fine");
    sam.nothing_of(&["error"]);
}

#[test]
fn a_newer_connection_of_a_staff_member_starts_offline_and_its_chats_pause() {
    let desk = Desk::start();
    let Chat { mut alice, sam: older, ticket } = desk.chat();
    let mut newer = desk.staff("sam");
    older.expect_close(4409);
    assert_eq!(alice.expect("staff_offline")["ticket_id"], ticket.as_str());
    newer.ask_for(&ticket);
    newer.refused("you_are_offline");
    newer.go_online();
    assert_eq!(alice.expect("staff_online")["staff_id"], "sam");
    newer.pick(&ticket);
    assert_eq!(alice.expect("staff_reconnected")["staff_id"], "sam");
    newer.say(&ticket, 1, "here again");
    assert_eq!(alice.expect("message")["text"], "here again");
}

#[test]
fn a_failed_attempt_with_the_id_of_another_closes_nobody() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    desk.user_peer("alice", Some("guess")).expect_close(4403);
    desk.staff_peer("sam", Some("guess")).expect_close(4401);
    alice.nothing_more();
    sam.nothing_more();
    alice.say(1, "still mine");
    assert_eq!(sam.expect("message")["ticket_id"], ticket.as_str());
}
