//! Ratings: a user rates the last of their tickets after it has ended.

use crate::support::{Chat, Desk, json};

#[test]
fn a_ticket_is_rated_once_and_the_rating_is_sent_to_the_staff_member_who_had_it_last() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    alice.rate(&ticket, 5);
    assert_eq!(alice.refused("no_ticket")["ticket_id"], ticket.as_str(), "it has not ended");
    sam.close_ticket(&ticket);
    alice.expect("ticket_closed");
    alice.rate(&ticket, 4);
    assert_eq!(sam.expect("rated"), json!({ "type": "rated", "ticket_id": ticket, "score": 4 }));
    alice.rate(&ticket, 5);
    assert_eq!(alice.refused("no_ticket")["ticket_id"], ticket.as_str());
    sam.nothing_of(&["rated"]);
    kim.nothing_of(&["rated"]);
    let metrics = desk.metrics();
    for score in 1..=5 {
        let counted = metrics.total(&["deskwire_ratings_total", &format!("score=\"{score}\"")]);
        assert_eq!(counted, f64::from(u8::from(score == 4)), "score {score}");
    }
    desk.server.log.wait("the rating", |line| line.contains(&ticket) && line.contains("rated 4 of 5"));
}

#[test]
fn only_its_user_can_rate_a_ticket_and_only_the_last_one() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket: first } = desk.chat();
    let mut bob = desk.user("bob");
    alice.close_ticket();
    alice.expect("ticket_closed");
    bob.rate(&first, 1);
    bob.refused("no_ticket");
    // The next one may be open meanwhile.
    let second = alice.create("the printer again");
    alice.rate(&second, 1);
    alice.refused("no_ticket");
    alice.rate(&first, 5);
    assert_eq!(sam.expect("rated")["score"], 5);
    alice.close_ticket();
    alice.expect("ticket_closed");
    let third = alice.create("and again");
    alice.close_ticket();
    alice.expect("ticket_closed");
    alice.rate(&second, 1);
    alice.refused("no_ticket");
    alice.rate(&third, 3); // nobody ever had it
    let sent = alice.drain();
    assert!(sent.iter().all(|frame| frame["type"] != "error"), "{sent:?}");
    sam.nothing_of(&["rated"]);
    assert_eq!(desk.metrics().total(&["deskwire_ratings_total"]), 2.0);
}

#[test]
fn the_rating_of_a_paused_or_released_ticket_goes_to_its_last_staff_member() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    sam.transfer(&ticket, "kim", "");
    kim.expect("ticket_picked");
    kim.go_offline();
    alice.expect("staff_offline");
    alice.close_ticket();
    alice.rate(&ticket, 2);
    assert_eq!(kim.expect("rated")["score"], 2);
    let second = alice.create("the printer again");
    sam.pick(&second);
    sam.release(&second);
    alice.expect("staff_left");
    alice.close_ticket();
    alice.rate(&second, 3);
    assert_eq!(sam.expect("rated")["score"], 3);
    // A staff member who is absent is not sent the rating, not even later.
    let third = alice.create("the printer");
    sam.pick(&third);
    sam.close_ticket(&third);
    sam.expect("ticket_closed");
    sam.leave();
    kim.expect_where("colleague", "sam going", |m| m["staff_id"] == "sam" && m["online"] == false);
    alice.rate(&third, 1);
    alice.drain();
    desk.staff("sam").nothing_of(&["rated"]);
    kim.nothing_of(&["rated"]);
}

#[test]
fn a_ticket_that_ended_in_absence_can_be_rated_by_a_user_who_returns_in_time() {
    let desk = Desk::with(&["--user-grace", "600"]);
    let Chat { alice, mut sam, ticket } = desk.chat();
    let session = alice.session.clone();
    alice.leave();
    sam.sees_where("alice going", |m| m["ticket"]["user_online"] == false);
    sam.close_ticket(&ticket);
    let mut alice = desk.user_again("alice", &session);
    assert_eq!(alice.welcome["ended"]["ticket_id"], ticket.as_str());
    alice.rate(&ticket, 5);
    assert_eq!(sam.expect("rated")["score"], 5);
}

#[test]
fn what_is_no_rating_is_refused() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.close_ticket(&ticket);
    alice.expect("ticket_closed");
    for score in [json!(0), json!(6), json!(-1), json!(4.5), json!("5"), json!(null), json!(1_u64 << 40)] {
        alice.send(&json!({ "type": "rate_ticket", "ticket_id": ticket, "score": score }));
        assert_eq!(alice.refused("bad_message")["ticket_id"], ticket.as_str(), "{score}");
    }
    alice.send(&json!({ "type": "rate_ticket", "score": 5 }));
    alice.refused("bad_message");
    alice.send(&json!({ "type": "rate_ticket", "ticket_id": "no such ticket", "score": 5 }));
    alice.refused("no_ticket");
    sam.send(&json!({ "type": "rate_ticket", "ticket_id": ticket, "score": 5 }));
    sam.refused("bad_message");
    alice.rate(&ticket, 1);
    assert_eq!(sam.expect("rated")["score"], 1);
}
