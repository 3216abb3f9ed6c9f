//! Messages are accepted or refused, keep one order, and are never lost, duplicated, or reported as delivered too
//! early.

use crate::support::client::of_type;
use crate::support::{Chat, Desk, Peer, Staff, User, Value, int, json};

mod receipts;
mod redelivery;

fn numbers(messages: &[Value], field: &str) -> Vec<u64> {
    messages.iter().map(|message| int(message, field)).collect()
}

/// Sends messages with these ids, each of which is accepted.
fn send_accepted(alice: &mut User, ids: std::ops::RangeInclusive<u64>) {
    for id in ids {
        alice.say(id, &format!("text {id}"));
        assert_eq!(int(&alice.expect("ack"), "id"), id);
    }
}

/// The held messages that follow a pick or a welcome, by `seq`.
fn held(peer: &mut Peer) -> Vec<u64> {
    numbers(&of_type(&peer.drain(), "message"), "seq")
}

// --- relayed and confirmed

#[test]
fn a_message_goes_to_the_other_side_and_its_receipts_come_back() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();

    alice.say(1, "it does not print");
    let got = sam.next();
    let expected = json!({
        "type": "message", "ticket_id": ticket, "seq": 1, "from": "user", "sender_id": "alice",
        "sender_name": null, "id": 1,
        "text": "it does not print", "at": got["at"],
    });
    assert_eq!(got, expected);
    assert_eq!(
        alice.next(),
        json!({ "type": "ack", "ticket_id": ticket, "id": 1, "seq": 1, "at": got["at"] })
    );
    // A message that was sent is not delivered yet: only the receiver can confirm that.
    alice.nothing_more();
    sam.delivered(&ticket, 1);
    let delivered = alice.next();
    assert_eq!(
        delivered,
        json!({ "type": "delivered", "ticket_id": ticket, "seq": 1, "at": delivered["at"] })
    );

    sam.say(&ticket, 1, "is it on?");
    let got = alice.next();
    let expected = json!({
        "type": "message", "ticket_id": ticket, "seq": 2, "from": "staff", "sender_id": "sam", "sender_name": null, "id": 1,
        "text": "is it on?", "at": got["at"],
    });
    assert_eq!(got, expected);
    assert_eq!(sam.next(), json!({ "type": "ack", "ticket_id": ticket, "id": 1, "seq": 2, "at": got["at"] }));
    sam.nothing_more();
    alice.delivered(2);
    let delivered = sam.next();
    assert_eq!(
        delivered,
        json!({ "type": "delivered", "ticket_id": ticket, "seq": 2, "at": delivered["at"] })
    );
    alice.nothing_more();
    sam.nothing_more();
}

#[test]
fn seq_is_one_order_for_both_sides_without_gaps() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for id in 1..=15 {
        alice.say(id, "a");
        if id % 3 == 0 {
            sam.say(&ticket, id, "s");
        }
    }
    // After a round trip of each, all has been relayed.
    let (mut alices, mut sams) = (alice.drain(), sam.drain());
    alices.extend(alice.drain());
    sams.extend(sam.drain());
    for seen in [&alices, &sams] {
        let mut order: Vec<u64> = numbers(&of_type(seen, "ack"), "seq");
        let got = numbers(&of_type(seen, "message"), "seq");
        assert!(got.is_sorted() && order.is_sorted(), "what is relayed keeps its order: {got:?}, {order:?}");
        order.extend(got);
        order.sort_unstable();
        assert_eq!(order, (1..=20).collect::<Vec<u64>>());
    }
    let pairs = |messages: &[Value]| -> Vec<(u64, u64)> {
        messages.iter().map(|message| (int(message, "id"), int(message, "seq"))).collect()
    };
    assert_eq!(
        pairs(&of_type(&alices, "ack")),
        pairs(&of_type(&sams, "message")),
        "one seq for both who see it"
    );
    assert_eq!(pairs(&of_type(&sams, "ack")), pairs(&of_type(&alices, "message")));
}

#[test]
fn many_messages_in_one_write_arrive_once_each_and_in_order() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let burst: Vec<Value> =
        (1..=80).map(|id| json!({ "type": "message", "id": id, "text": "x".repeat(300) })).collect();
    alice.send_all(&burst);
    assert_eq!(numbers(&of_type(&alice.drain(), "ack"), "seq"), (1..=80).collect::<Vec<u64>>());
    assert_eq!(numbers(&of_type(&sam.drain(), "message"), "seq"), (1..=80).collect::<Vec<u64>>());
}

#[test]
fn two_chats_of_one_staff_member_do_not_mix() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let (mut bob, other) = desk.second_chat(&mut sam);
    alice.say(1, "from alice");
    bob.say(1, "from bob");
    for (who, id, said) in [("alice", &ticket, "from alice"), ("bob", &other, "from bob")] {
        let got = sam.expect_where("message", "both texts", |m| m["sender_id"] == who);
        assert_eq!((&got["ticket_id"], &got["text"], int(&got, "seq")), (&json!(id), &json!(said), 1));
    }
    sam.say(&other, 1, "to bob");
    sam.delivered(&other, 1);
    sam.typing(&other, true);
    sam.expect("ack");
    assert_eq!(bob.expect("message")["text"], "to bob");
    bob.expect("delivered");
    bob.expect("typing");
    alice.expect("ack");
    alice.nothing_more();
}

#[test]
fn any_other_staff_member_can_neither_write_into_a_chat_nor_confirm_nor_type() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    alice.say(1, "for sam");
    alice.expect("ack");
    kim.say(&ticket, 1, "from kim");
    let refusal = kim.refused("not_yours");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(1), &json!(ticket)));
    kim.delivered(&ticket, 1);
    kim.typing(&ticket, true);
    let rest = kim.drain();
    assert!(rest.iter().all(|message| message["type"] != "message" && message["type"] != "ack"), "{rest:?}");
    alice.nothing_more();
    sam.expect("message");
    sam.nothing_of(&["message", "typing", "delivered"]);
    // Nothing was counted: the next message is the second.
    sam.say(&ticket, 1, "from sam");
    assert_eq!(int(&alice.expect("message"), "seq"), 2);
}

#[test]
fn without_a_ticket_there_is_nobody_to_talk_to() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    alice.say(3, "hello?");
    assert_eq!(alice.refused("no_ticket")["id"], 3);
    alice.delivered(1);
    alice.refused("no_ticket");
    alice.typing(true);
    alice.refused("no_ticket");
    alice.close_ticket();
    alice.refused("no_ticket");
    let mut sam = desk.staff("sam").online();
    sam.say("0000-0000", 3, "hello?");
    let refusal = sam.refused("no_ticket");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(3), &json!("0000-0000")));
}

#[test]
fn staff_who_only_watch_the_list_see_nothing_of_a_chat() {
    let desk = Desk::start();
    let mut watcher: Staff = desk.staff("kim").online();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut bob = desk.user("bob");
    alice.say(1, "private");
    sam.expect("message");
    sam.say(&ticket, 1, "private too");
    sam.typing(&ticket, true);
    sam.delivered(&ticket, 1);
    alice.expect("delivered");
    watcher.nothing_of(&["message", "ack", "delivered", "typing", "ticket_picked", "ticket_closed"]);
    bob.nothing_more();
}

// --- locked

#[test]
fn nothing_is_relayed_while_a_chat_is_locked_and_the_sender_knows() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut alice = desk.user("alice");
    let ticket = alice.create("the printer");
    let refused = |alice: &mut User, id: u64| {
        alice.say(id, "typed to nobody");
        assert_eq!(alice.refused("staff_offline")["id"], id);
    };
    refused(&mut alice, 1); // waiting
    sam.pick(&ticket);
    alice.expect("staff_joined");
    sam.go_offline();
    alice.expect("staff_offline");
    refused(&mut alice, 1); // paused
    sam.go_online();
    alice.expect("staff_online");
    refused(&mut alice, 1); // paused, its staff online
    sam.pick(&ticket);
    alice.expect("staff_reconnected");
    sam.release(&ticket);
    alice.expect("staff_left");
    refused(&mut alice, 1); // waiting again
    sam.pick(&ticket);
    // None of these was relayed, and the id is still unused.
    sam.nothing_of(&["message", "typing"]);
    alice.say(1, "typed to sam");
    assert_eq!(int(&alice.expect("ack"), "seq"), 1);
    assert_eq!(sam.expect("message")["text"], "typed to sam");
}

#[test]
fn a_message_to_a_user_who_is_gone_is_refused_and_never_comes() {
    let desk = Desk::start();
    let Chat { alice, mut sam, ticket } = desk.chat();
    let session = alice.session.clone();
    alice.cut();
    sam.expect_where("ticket_updated", "alice going", |m| m["ticket"]["user_online"] == false);
    sam.say(&ticket, 1, "are you there?");
    let refusal = sam.refused("user_offline");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(1), &json!(ticket)));
    let mut alice = desk.user_again("alice", &session);
    alice.nothing_of(&["message"]);
    sam.say(&ticket, 1, "there you are");
    assert_eq!(int(&sam.expect("ack"), "seq"), 1);
    assert_eq!(alice.expect("message")["text"], "there you are");
}

// --- resent

#[test]
fn the_latest_id_sent_again_is_acknowledged_again_and_not_relayed_again() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    // Strictly increasing, not one by one.
    for (id, seq) in [(2, 1), (3, 2), (10, 3)] {
        alice.say(id, "once");
        assert_eq!(int(&alice.expect("ack"), "seq"), seq);
    }
    for (id, seq) in [(10, json!(3)), (3, json!(null)), (2, json!(null)), (1, json!(null)), (10, json!(3))] {
        alice.say(id, "twice");
        let ack = alice.next();
        assert_eq!((&ack["type"], &ack["id"], &ack["seq"]), (&json!("ack"), &json!(id), &seq));
    }
    assert_eq!(numbers(&of_type(&sam.drain(), "message"), "id"), [2, 3, 10]);
    sam.say(&ticket, 1, "once");
    sam.say(&ticket, 1, "twice");
    assert_eq!(numbers(&of_type(&sam.drain(), "ack"), "seq"), [4, 4]);
    assert_eq!(numbers(&of_type(&alice.drain(), "message"), "id"), [1]);
}

#[test]
fn a_resend_is_acknowledged_even_when_the_chat_is_locked_by_then() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    send_accepted(&mut alice, 1..=2);
    sam.go_offline();
    alice.expect("staff_offline");
    for (id, seq) in [(2, json!(2)), (1, json!(null))] {
        alice.say(id, "did this arrive?");
        assert_eq!(alice.expect("ack")["seq"], seq);
    }
    alice.say(3, "and this?");
    alice.refused("staff_offline");
    sam.go_online();
    sam.drain();
    sam.pick(&ticket);
    assert_eq!(held(&mut sam), [1, 2], "as often as the pick, and not as the resends");
}

#[test]
fn after_a_cut_the_user_learns_what_arrived_and_resends_the_rest() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    send_accepted(&mut alice, 1..=3);
    let session = alice.session.clone();
    alice.cut();
    let mut alice = desk.user_again("alice", &session);
    assert_eq!(
        (&alice.welcome["ticket"]["last_id"], &alice.welcome["ticket"]["last_seq"]),
        (&json!(3), &json!(3))
    );
    alice.say(3, "text 3");
    assert_eq!(int(&alice.expect("ack"), "seq"), 3);
    send_accepted(&mut alice, 4..=4);
    assert_eq!(numbers(&of_type(&sam.drain(), "message"), "id"), [1, 2, 3, 4]);
    // The other side's receipts are not lost by the cut either.
    sam.delivered(&ticket, 4);
    assert_eq!(int(&alice.expect("delivered"), "seq"), 4);
}

#[test]
fn message_ids_continue_after_another_staff_member_picks() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.say(&ticket, 1, "one");
    sam.say(&ticket, 4, "four");
    sam.drain();
    sam.go_offline();
    let mut kim = desk.staff("kim").online();
    assert_eq!(int(&kim.pick(&ticket), "last_id"), 4);
    kim.say(&ticket, 4, "four is taken");
    kim.say(&ticket, 5, "five");
    assert_eq!(numbers(&of_type(&kim.drain(), "ack"), "seq"), [2, 3]);
    let texts: Vec<Value> = of_type(&alice.drain(), "message").iter().map(|m| m["text"].clone()).collect();
    assert_eq!(texts, ["one", "four", "five"]);
}
