//! The states of a ticket: every way into each of them, who may do what, and what each side is sent.

use std::collections::BTreeSet;

use crate::support::client::of_type;
use crate::support::{Chat, Desk, Staff, Value, int, json, text};

mod transfers;

// --- create_ticket

#[test]
fn a_new_ticket_has_an_id_and_a_place_in_the_queue_and_every_staff_member_sees_it() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut kim = desk.staff("kim");
    let mut alice = desk.user("alice");
    alice.send(&json!({ "type": "create_ticket", "subject": "the printer" }));
    let created = alice.next();
    assert_eq!(created["type"], "ticket_created");
    let ticket = text(&created, "ticket_id");
    let queue = alice.next();
    assert_eq!(queue["type"], "queue", "at once on creation");
    assert_eq!(
        (&queue["ticket_id"], int(&queue, "position"), int(&queue, "waiting")),
        (&json!(ticket), 1, 1)
    );
    assert_eq!(queue["wait_s"], json!(null), "nobody was ever picked");
    for staff in [&mut sam, &mut kim] {
        let added = staff.expect("ticket_added");
        let expected = json!({
            "ticket_id": ticket, "user_id": "alice", "user_name": null, "subject": "the printer", "page": null,
            "state": "waiting", "staff_id": null, "staff_name": null, "user_online": true,
            "created_at": created["at"], "since": created["at"],
        });
        assert_eq!(added["ticket"], expected);
    }
    kim.nothing_of(&["ticket_added", "ticket_updated"]);
    alice.nothing_more();
}

#[test]
fn a_ticket_id_can_be_read_out_and_reveals_nothing() {
    let desk = Desk::start();
    let ids: Vec<String> = (0..8).map(|n| desk.user(&format!("user-{n}")).create("hello")).collect();
    for id in &ids {
        let crockford = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c));
        let shaped =
            id.len() == 9 && id.char_indices().all(|(at, c)| if at == 4 { c == '-' } else { crockford(c) });
        assert!(shaped, "{id} is not like XXXX-XXXX");
    }
    // Consecutive ids would differ only at the end.
    let halves: BTreeSet<&str> = ids.iter().map(|id| &id[..4]).collect();
    assert_eq!(halves.len(), ids.len(), "{ids:?}");
    let after_restart = Desk::start().user("user-0").create("hello");
    assert!(!ids.contains(&after_restart), "an id came again after a restart");
}

#[test]
fn a_subject_has_1_to_200_characters() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let mut alice = desk.user("alice");
    let mut sam = desk.staff("sam");
    for (subject, code) in [
        (String::new(), "bad_message"),
        ("x".repeat(201), "too_long"),
        ("\u{1F5A8}".repeat(201), "too_long"),
        // Scalar values are counted, not what looks like one character.
        ("e\u{301}".repeat(101), "too_long"),
    ] {
        alice.send(&json!({ "type": "create_ticket", "subject": subject }));
        alice.refused(code);
    }
    sam.nothing_more();
    for subject in [
        "x",
        &"x".repeat(200),
        &"\u{1F5A8}".repeat(200),
        &"e\u{301}".repeat(100),
        "\0",
        " ",
        "<b>&\"'\u{202E}",
    ] {
        let ticket = alice.create(subject);
        let added = sam.expect("ticket_added");
        assert_eq!(
            (&added["ticket"]["subject"], &added["ticket"]["ticket_id"]),
            (&json!(subject), &json!(ticket))
        );
        alice.close_ticket();
        alice.expect("ticket_closed");
    }
}

#[test]
fn a_user_who_clicks_twice_has_one_ticket() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam");
    let mut alice = desk.user("alice");
    let click = json!({ "type": "create_ticket", "subject": "click" });
    alice.send_all(&[click.clone(), click.clone(), click]);
    let ticket = text(&alice.expect("ticket_created"), "ticket_id");
    alice.refused("ticket_exists");
    alice.refused("ticket_exists");
    alice.nothing_of(&["ticket_created", "error"]);
    assert_eq!(sam.expect("ticket_added")["ticket"]["ticket_id"], ticket.as_str());
    sam.nothing_more();
}

// --- pick_ticket

#[test]
fn a_picked_ticket_is_active_and_everybody_knows() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut kim = desk.staff("kim");
    let mut alice = desk.user("alice");
    let ticket = alice.create("the printer");
    let picked = sam.pick(&ticket);
    let expected = json!({
        "type": "ticket_picked", "ticket_id": ticket, "user_id": "alice", "user_name": null, "subject": "the printer",
        "page": null, "last_seq": 0,
        "last_id": 0, "delivered_seq": 0, "at": picked["at"], "auto": false, "from_staff": null, "note": null,
    });
    assert_eq!(picked, expected);
    let joined = alice.expect("staff_joined");
    assert_eq!((&joined["ticket_id"], &joined["staff_id"]), (&json!(ticket), &json!("sam")));
    for staff in [&mut sam, &mut kim] {
        assert_eq!(staff.sees(&ticket, "active")["staff_id"], "sam");
    }
    kim.nothing_of(&["ticket_picked"]);
}

#[test]
fn two_staff_who_pick_at_once_do_not_both_get_it() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let mut staff = [desk.staff("sam").online(), desk.staff("kim").online()];
    let ticket = alice.create("who is first");
    desk.server.in_one_turn(|| {
        for one in &mut staff {
            one.ask_for(&ticket);
        }
    });
    let answers: Vec<Vec<Value>> = staff.iter_mut().map(|one| one.drain()).collect();
    let winners: Vec<usize> =
        (0..2).filter(|at| !of_type(&answers[*at], "ticket_picked").is_empty()).collect();
    let [winner] = winners[..] else { panic!("{winners:?} have it") };
    let refusal = of_type(&answers[1 - winner], "error");
    assert_eq!((refusal.len(), &refusal[0]["code"]), (1, &json!("ticket_taken")));
    assert_eq!(refusal[0]["ticket_id"], ticket.as_str());
    assert_eq!(alice.expect("staff_joined")["staff_id"], staff[winner].name.as_str());
    alice.nothing_of(&["staff_joined"]);
}

#[test]
fn picking_an_active_ticket_is_refused_even_to_its_owner() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    for staff in [&mut kim, &mut sam] {
        staff.ask_for(&ticket);
        assert_eq!(staff.refused("ticket_taken")["ticket_id"], ticket.as_str());
        staff.nothing_of(&["ticket_picked"]);
    }
    alice.nothing_of(&["staff_joined", "staff_reconnected"]);
}

#[test]
fn a_pick_is_refused_for_the_first_reason_that_holds() {
    let desk = Desk::with(&["--max-chats", "1"]);
    let Chat { mut sam, ticket: active, .. } = desk.chat();
    let waiting = desk.user("bob").create("waits");
    let mut kim = desk.staff("kim");
    for ticket in ["0000-0000", active.as_str(), waiting.as_str()] {
        kim.ask_for(ticket);
        assert_eq!(kim.refused("you_are_offline")["ticket_id"], ticket);
    }
    for (ticket, code) in [("0000-0000", "no_ticket"), (&active, "ticket_taken"), (&waiting, "at_capacity")] {
        sam.ask_for(ticket);
        assert_eq!(sam.refused(code)["ticket_id"], ticket);
    }
    // Freed capacity can be used again.
    sam.close_ticket(&active);
    sam.pick(&waiting);
}

#[test]
fn a_malformed_ticket_id_is_an_unknown_ticket() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
    for id in [
        "",
        "nonsense",
        "0000-000",
        "0000-00000",
        "IIII-OOOO",
        "<script>",
        "line\nbreak",
        "\u{1F5A8}",
        &longest,
    ] {
        sam.ask_for(id);
        assert_eq!(sam.refused("no_ticket")["ticket_id"], id);
    }
    sam.ask_for(&too_long);
    assert_eq!(sam.refused("no_ticket").get("ticket_id"), None, "more than is echoed");
    for id in ["nonsense", "0000-0000"] {
        let requests: [fn(&mut Staff, &str); 5] = [
            |sam, id| sam.release(id),
            |sam, id| sam.transfer(id, "kim", ""),
            |sam, id| sam.close_ticket(id),
            |sam, id| sam.say(id, 1, "hello"),
            |sam, id| sam.delivered(id, 1),
        ];
        for request in requests {
            request(&mut sam, id);
            assert_eq!(sam.refused("no_ticket")["ticket_id"], id);
        }
    }
    sam.nothing_more();
}

// --- active -> paused -> active

#[test]
fn a_ticket_pauses_when_its_staff_goes_offline_and_opens_when_the_same_one_picks_it_again() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim");
    sam.go_offline();
    let offline = alice.expect("staff_offline");
    assert_eq!((&offline["ticket_id"], &offline["staff_id"]), (&json!(ticket), &json!("sam")));
    for staff in [&mut sam, &mut kim] {
        assert_eq!(staff.sees(&ticket, "paused")["staff_id"], "sam", "who had it");
    }
    sam.go_online();
    let online = alice.expect("staff_online");
    assert_eq!((&online["ticket_id"], &online["staff_id"]), (&json!(ticket), &json!("sam")));
    // Back online does not resume the chat.
    alice.say(1, "are you there?");
    alice.refused("staff_offline");
    alice.nothing_of(&["staff_reconnected", "staff_joined", "ack"]);
    sam.nothing_of(&["message", "ticket_picked"]);
    sam.pick(&ticket);
    let back = alice.next();
    assert_eq!((&back["type"], &back["staff_id"]), (&json!("staff_reconnected"), &json!("sam")));
    assert_eq!(kim.sees(&ticket, "active")["staff_id"], "sam");
    alice.say(1, "are you there?");
    assert_eq!(sam.expect("message")["text"], "are you there?");
}

#[test]
fn a_paused_ticket_can_be_picked_by_another_who_is_new_to_the_user() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    sam.go_offline();
    alice.expect("staff_offline");
    kim.pick(&ticket);
    let joined = alice.next();
    assert_eq!((&joined["type"], &joined["staff_id"]), (&json!("staff_joined"), &json!("kim")));
    assert_eq!(sam.sees(&ticket, "active")["staff_id"], "kim");
    // The former owner comes back, cannot pick it, and the user hears nothing of it.
    sam.go_online();
    sam.ask_for(&ticket);
    sam.refused("ticket_taken");
    sam.say(&ticket, 1, "it was mine");
    sam.refused("not_yours");
    alice.nothing_more();
}

#[test]
fn a_user_can_close_a_paused_ticket() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.go_offline();
    alice.expect("staff_offline");
    alice.close_ticket();
    assert_eq!(alice.expect("ticket_closed")["by"], "user");
    assert_eq!(sam.expect("ticket_removed")["ticket_id"], ticket.as_str());
    sam.go_online();
    sam.ask_for(&ticket);
    sam.refused("no_ticket");
    alice.nothing_of(&["staff_online", "staff_reconnected"]);
}

#[test]
fn an_offline_staff_member_keeps_the_list_and_cannot_act_on_it() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.go_offline();
    sam.sees(&ticket, "paused");
    sam.nothing_of(&["ticket_removed"]);
    sam.say(&ticket, 1, "hello?");
    let refusal = sam.refused("not_yours");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(1), &json!(ticket)));
    sam.close_ticket(&ticket);
    sam.refused("not_yours");
    sam.release(&ticket);
    sam.refused("not_yours");
    sam.transfer(&ticket, "kim", "");
    sam.refused("not_yours");
    alice.expect("staff_offline");
    alice.nothing_of(&["message", "ticket_closed", "staff_left", "staff_joined"]);
    // The list is still kept up to date.
    let other = desk.user("bob").create("something new");
    assert_eq!(sam.expect("ticket_added")["ticket"]["ticket_id"], other.as_str());
}
