//! Presence: who is online, who is notified, and how a silent peer is noticed.

use std::time::{Duration, Instant};

use crate::support::client::of_type;
use crate::support::wire::whole;
use crate::support::{Chat, Desk, Staff, User, Value, int, json, op};

/// The time after which a peer that has not answered a ping is given up.
const PONG_S: u64 = 20;
/// How long a typing notice is valid.
const TYPING_S: u64 = 6;

/// Asserts that the chat is locked when Sam disconnects, and that the user and the colleagues are notified.
fn sam_disconnects(desk: &Desk, chat: Chat, end: impl FnOnce(Staff)) {
    let Chat { mut alice, sam, ticket } = chat;
    let mut kim = desk.staff("kim").online();
    alice.drain();
    end(sam);
    let offline = alice.expect("staff_offline");
    assert_eq!((&offline["ticket_id"], &offline["staff_id"]), (&json!(ticket), &json!("sam")));
    assert_eq!(kim.sees(&ticket, "paused")["staff_id"], "sam");
    kim.expect_where("colleague", "sam going", |m| m["staff_id"] == "sam" && m["online"] == false);
    alice.say(1, "anybody there?");
    assert_eq!(alice.refused("staff_offline")["id"], 1);
    // Once, however it ended.
    alice.nothing_of(&["staff_offline", "ack"]);
    kim.nothing_of(&["colleague"]);

    let mut sam = desk.staff("sam");
    assert_eq!(sam.welcome["staff"], json!(["kim"]));
    alice.nothing_more();
    sam.go_online();
    assert_eq!(alice.expect("staff_online")["staff_id"], "sam");
    kim.expect_where("colleague", "sam coming", |m| m["staff_id"] == "sam" && m["online"] == true);
    sam.pick(&ticket);
    assert_eq!(alice.expect("staff_reconnected")["ticket_id"], ticket.as_str());
    alice.say(1, "there you are");
    assert_eq!(sam.expect("message")["text"], "there you are");
}

#[test]
fn a_staff_connection_that_is_reset_locks_the_chat() {
    let desk = Desk::start();
    sam_disconnects(&desk, desk.chat(), Staff::cut);
}

#[test]
fn a_staff_connection_that_ends_without_a_close_frame_locks_the_chat() {
    let desk = Desk::start();
    sam_disconnects(&desk, desk.chat(), Staff::fin);
}

#[test]
fn a_staff_member_who_closes_the_tab_locks_the_chat() {
    let desk = Desk::start();
    sam_disconnects(&desk, desk.chat(), Staff::leave);
}

#[test]
fn a_staff_member_who_breaks_the_protocol_locks_the_chat() {
    let desk = Desk::start();
    sam_disconnects(&desk, desk.chat(), |mut sam| {
        sam.write(&whole(op::BINARY, b"not text"));
        sam.expect_close(1003);
    });
}

#[test]
fn a_staff_member_who_closes_without_waiting_for_the_answer_locks_the_chat() {
    let desk = Desk::start();
    sam_disconnects(&desk, desk.chat(), |mut sam| {
        sam.write(&whole(op::CLOSE, &1001_u16.to_be_bytes()));
        drop(sam);
    });
}

#[test]
fn a_staff_member_with_several_chats_locks_each_of_them() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let (mut bob, other) = desk.second_chat(&mut sam);
    let mut third = desk.user("carol");
    let waiting = third.create("waits");
    sam.cut();
    assert_eq!(alice.expect("staff_offline")["ticket_id"], ticket.as_str());
    assert_eq!(bob.expect("staff_offline")["ticket_id"], other.as_str());
    third.nothing_of(&["staff_offline"]);
    let mut sam = desk.staff("sam").online();
    assert_eq!(alice.expect("staff_online")["ticket_id"], ticket.as_str());
    assert_eq!(bob.expect("staff_online")["ticket_id"], other.as_str());
    // Each is picked separately; the other stays locked.
    sam.pick(&ticket);
    alice.expect("staff_reconnected");
    bob.say(1, "and me?");
    bob.refused("staff_offline");
    sam.pick(&waiting);
    assert_eq!(third.expect("staff_joined")["staff_id"], "sam");
}

#[test]
fn a_staff_member_who_disconnects_before_picking_again_pauses_the_ticket_again() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for _ in 0..2 {
        sam.go_offline();
        assert_eq!(alice.expect("staff_offline")["ticket_id"], ticket.as_str());
        sam.go_online();
        assert_eq!(alice.expect("staff_online")["ticket_id"], ticket.as_str());
    }
    sam.cut();
    assert_eq!(alice.expect("staff_offline")["ticket_id"], ticket.as_str());
    alice.nothing_of(&["staff_online", "staff_offline", "staff_reconnected"]);
}

#[test]
fn a_user_who_disconnects_and_comes_back_changes_nothing_else() {
    let desk = Desk::start();
    let Chat { alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim");
    let mut session = alice.session.clone();
    let mut alice = Some(alice);
    let ends: [fn(User); 3] = [User::cut, User::fin, User::leave];
    for end in ends {
        end(alice.take().unwrap());
        for staff in [&mut sam, &mut kim] {
            let away = |m: &Value| {
                m["ticket"]["ticket_id"] == ticket.as_str() && m["ticket"]["user_online"] == false
            };
            let entry = staff.expect_where("ticket_updated", "alice going", away);
            assert_eq!(
                (&entry["ticket"]["state"], &entry["ticket"]["staff_id"]),
                (&json!("active"), &json!("sam"))
            );
        }
        let again = desk.user_again("alice", &session);
        assert_eq!(again.welcome["ticket"]["state"], "active");
        for staff in [&mut sam, &mut kim] {
            staff.expect_where("ticket_updated", "alice coming", |m| m["ticket"]["user_online"] == true);
            staff.nothing_more();
        }
        session.clone_from(&again.session);
        alice = Some(again);
    }
    let mut alice = alice.unwrap();
    alice.say(1, "three times gone");
    assert_eq!(sam.expect("message")["text"], "three times gone");
}

#[test]
fn both_sides_may_disconnect_at_once_and_come_back() {
    let desk = Desk::start();
    let Chat { mut alice, sam, ticket } = desk.chat();
    alice.say(1, "before the cut");
    alice.expect("ack");
    let session = alice.session.clone();
    let mut kim = desk.staff("kim");
    sam.cut();
    alice.cut();
    kim.sees_where("both going", |m| m["ticket"]["state"] == "paused" && m["ticket"]["user_online"] == false);
    let mut sam = desk.staff("sam").online();
    sam.pick(&ticket);
    assert_eq!(sam.expect("message")["text"], "before the cut");
    sam.say(&ticket, 1, "hello?");
    sam.refused("user_offline");
    let mut alice = desk.user_again("alice", &session);
    assert_eq!(
        (&alice.welcome["ticket"]["state"], &alice.welcome["ticket"]["staff_id"]),
        (&json!("active"), &json!("sam"))
    );
    alice.say(2, "back");
    assert_eq!(sam.expect("message")["text"], "back");
}

// --- the notices

#[test]
fn users_are_notified_when_the_desk_opens_and_closes_and_only_then() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let mut bob = desk.user("bob");
    bob.create("bob waits");
    assert_eq!(alice.welcome["desk_online"], false);
    let mut sam = desk.staff("sam");
    alice.nothing_more();
    sam.go_online();
    for user in [&mut alice, &mut bob] {
        assert_eq!(user.next(), json!({ "type": "desk", "online": true }));
    }
    assert_eq!(desk.user("carol").welcome["desk_online"], true);
    // As long as one is online nothing changes for users.
    let kim = desk.staff("kim").online();
    sam.go_offline();
    sam.go_online();
    kim.cut();
    sam.expect_where("colleague", "kim going", |m| m["staff_id"] == "kim" && m["online"] == false);
    for user in [&mut alice, &mut bob] {
        user.nothing_of(&["desk"]);
    }
    sam.cut();
    for user in [&mut alice, &mut bob] {
        assert_eq!(user.expect("desk")["online"], false);
    }
    assert_eq!(desk.user("dave").welcome["desk_online"], false);
}

fn colleague(id: &str, online: bool) -> Value {
    json!({ "type": "colleague", "staff_id": id, "staff_name": null, "online": online })
}

#[test]
fn staff_are_notified_when_colleagues_go_online_and_offline() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam");
    assert_eq!(sam.welcome["staff"], json!([]));
    let mut kim = desk.staff("kim");
    // Connected is not online.
    sam.nothing_more();
    kim.send(&json!({ "type": "go_online" }));
    assert_eq!(kim.next(), json!({ "type": "presence", "online": true }));
    assert_eq!(sam.next(), colleague("kim", true));
    sam.go_online();
    assert_eq!(kim.next(), colleague("sam", true));
    let mut staff = desk.staff("lee").welcome["staff"].as_array().unwrap().clone();
    staff.sort_by_key(ToString::to_string);
    assert_eq!(staff, ["kim", "sam"]);
    kim.go_offline();
    assert_eq!(sam.next(), colleague("kim", false));
    // Was offline already: nobody is sent anything.
    kim.leave();
    sam.nothing_more();
    let mut lee = desk.staff("lee");
    sam.cut();
    assert_eq!(lee.next(), colleague("sam", false));
    lee.nothing_more();
}

#[test]
fn going_online_twice_is_confirmed_twice_and_announced_once() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let mut kim = desk.staff("kim");
    let mut sam = desk.staff("sam");
    for kind in ["go_offline", "go_online", "go_online", "go_offline", "go_offline"] {
        sam.send(&json!({ "type": kind }));
        assert_eq!(sam.expect("presence")["online"], kind == "go_online");
    }
    sam.nothing_more();
    assert_eq!([kim.next(), kim.next()], [colleague("sam", true), colleague("sam", false)]);
    kim.nothing_more();
    let online: Vec<Value> = of_type(&alice.drain(), "desk").iter().map(|m| m["online"].clone()).collect();
    assert_eq!(online, [true, false]);
}

#[test]
fn one_dead_socket_does_not_end_a_broadcast() {
    let desk = Desk::start();
    let mut first = desk.staff("first").online();
    let dead: Vec<Staff> = (0..8).map(|n| desk.staff(&format!("dead-{n}")).online()).collect();
    let mut last = desk.staff("last").online();
    let mut alice = desk.user("alice");
    // Reset and broadcast as close together as the network lets them be.
    for staff in dead {
        staff.cut();
    }
    let ticket = alice.create("to all of you");
    for staff in [&mut first, &mut last] {
        assert_eq!(staff.expect("ticket_added")["ticket"]["ticket_id"], ticket.as_str());
    }
    first.pick(&ticket);
    assert_eq!(last.sees(&ticket, "active")["staff_id"], "first");
}

// --- silence

#[test]
fn a_silent_page_that_answers_pings_stays_online() {
    let desk = Desk::with(&["--ping-interval", "1"]);
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    // A tab in the background sends nothing, and its browser answers pings.
    assert!(sam.pinged(2, Duration::from_secs(10)), "a silent connection is pinged");
    assert!(alice.pinged(2, Duration::from_secs(10)));
    alice.nothing_of(&["staff_offline", "desk"]);
    sam.nothing_of(&["ticket_updated"]);
    sam.say(&ticket, 1, "still here");
    assert_eq!(alice.expect("message")["text"], "still here");
}

#[test]
fn a_connection_that_talks_is_not_pinged() {
    let desk = Desk::with(&["--ping-interval", "2"]);
    let mut alice = desk.user("alice");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        alice.listen(Duration::from_millis(200));
        alice.nothing_more();
    }
    assert_eq!(alice.pings, 0, "it was never silent for two seconds");
}

/// Takes six seconds: the time for which a typing notice is valid.
#[test]
fn a_forgotten_typing_notice_ends_by_itself() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.typing(&ticket, true);
    alice.typing(true);
    assert_eq!(alice.expect("typing")["active"], true);
    assert_eq!(sam.expect("typing")["active"], true);
    let limit = Duration::from_secs(TYPING_S + 5);
    alice.expect_within(limit, "typing", "its end", |m| m["active"] == false);
    sam.expect_within(limit, "typing", "its end", |m| m["active"] == false);
    alice.nothing_more();
    sam.nothing_more();
}

/// Takes twenty seconds: the time that a peer has to answer a ping.
#[test]
#[ignore = "takes 21 s: `make test-slow` runs it"]
fn a_half_open_connection_is_dead_when_it_answers_no_ping() {
    let desk = Desk::with(&["--ping-interval", "1"]);
    let Chat { mut alice, sam, ticket } = desk.chat();
    // Neither read nor closed, as after a network failure.
    let half_open = sam.into_wire();
    let limit = Duration::from_secs(1 + PONG_S + 5);
    let offline = alice.expect_within(limit, "staff_offline", "the end of the silent one", |_| true);
    assert_eq!(offline["ticket_id"], ticket.as_str());
    drop(half_open);
}

#[test]
fn a_ping_is_answered_by_a_pong_with_the_servers_time() {
    let desk = Desk::start();
    let (mut alice, mut sam) = (desk.user("alice"), desk.staff("sam"));
    // Neither a ticket nor being online is needed, and other fields are ignored.
    alice.send(&json!({ "type": "ping", "id": "x", "ticket_id": 7 }));
    sam.send(&json!({ "type": "ping" }));
    let since = int(&alice.welcome, "now");
    for pong in [alice.next(), sam.next()] {
        assert_eq!(pong["type"], "pong");
        assert!(int(&pong, "now") >= since, "{pong} is before {since}");
    }
    alice.nothing_more();
    sam.nothing_more();
}
