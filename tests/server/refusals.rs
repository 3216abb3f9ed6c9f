//! Frames that are not in the protocol: each is answered, and none changes anything or closes the connection.

use crate::support::{Chat, Desk, Peer, json};

#[test]
fn a_users_frame_that_misses_or_mistypes_anything_is_a_bad_message_and_changes_nothing() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let bad = [
        json!({}),
        json!({ "type": null }),
        json!({ "type": 1 }),
        json!({ "type": ["close_ticket"] }),
        json!({ "type": "" }),
        json!({ "type": "Close_ticket" }),
        json!({ "type": "close_ticket " }),
        json!({ "type": "subscribe" }),
        // What only the server or only staff may send.
        json!({ "type": "welcome" }),
        json!({ "type": "go_online" }),
        json!({ "type": "pick_ticket", "ticket_id": "0000-0000" }),
        json!({ "type": "create_ticket" }),
        json!({ "type": "create_ticket", "subject": null }),
        json!({ "type": "create_ticket", "subject": 5 }),
        json!({ "type": "create_ticket", "subject": ["x"] }),
        json!({ "type": "create_ticket", "Subject": "x" }),
        json!({ "type": "message", "id": 1 }),
        json!({ "type": "message", "text": "x" }),
        json!({ "type": "message", "id": 1, "text": null }),
        json!({ "type": "message", "id": 1, "text": 1 }),
        json!({ "type": "message", "id": 1, "text": {} }),
        json!({ "type": "message", "id": 1, "text": "" }),
        json!({ "type": "delivered" }),
        json!({ "type": "delivered", "seq": "1" }),
        json!({ "type": "delivered", "seq": -1 }),
        json!({ "type": "delivered", "seq": 1.5 }),
        json!({ "type": "delivered", "seq": null }),
        json!({ "type": "typing" }),
        json!({ "type": "typing", "active": 1 }),
        json!({ "type": "typing", "active": "true" }),
        json!({ "type": "typing", "active": null }),
    ];
    for message in &bad {
        alice.send(message);
        assert_eq!(alice.refused("bad_message")["code"], "bad_message", "{message}");
    }
    refuses_what_is_no_object(&mut alice);
    alice.nothing_more();
    sam.nothing_more();
}

#[test]
fn a_staff_members_frame_that_misses_or_mistypes_anything_is_a_bad_message_and_changes_nothing() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut bad = vec![
        json!({ "type": "create_ticket", "subject": "x" }),
        json!({ "type": "ticket_picked", "ticket_id": ticket }),
        json!({ "type": "transfer_ticket", "ticket_id": ticket }),
        json!({ "type": "transfer_ticket", "ticket_id": ticket, "to": 1 }),
        json!({ "type": "transfer_ticket", "ticket_id": ticket, "to": "kim", "note": 1 }),
        json!({ "type": "message", "ticket_id": ticket, "id": 1 }),
        json!({ "type": "message", "ticket_id": ticket, "text": "x" }),
        json!({ "type": "message", "ticket_id": ticket, "id": "1", "text": "x" }),
        json!({ "type": "delivered", "ticket_id": ticket, "seq": "1" }),
        json!({ "type": "typing", "ticket_id": ticket, "active": 1 }),
    ];
    let mut full = [
        json!({ "type": "pick_ticket" }),
        json!({ "type": "release_ticket" }),
        json!({ "type": "transfer_ticket", "to": "kim" }),
        json!({ "type": "message", "id": 1, "text": "x" }),
        json!({ "type": "delivered", "seq": 1 }),
        json!({ "type": "typing", "active": true }),
        json!({ "type": "close_ticket" }),
    ];
    for message in &mut full {
        bad.push(message.clone());
        for id in [json!(null), json!(1), json!([ticket]), json!({ "id": ticket })] {
            message["ticket_id"] = id;
            bad.push(message.clone());
        }
    }
    for message in &bad {
        sam.send(message);
        assert_eq!(sam.refused("bad_message")["code"], "bad_message", "{message}");
    }
    refuses_what_is_no_object(&mut sam);
    alice.nothing_more();
    sam.nothing_more();
}

fn refuses_what_is_no_object(peer: &mut Peer) {
    let deep = "[".repeat(8000) + &"]".repeat(8000);
    let deep_object = "{\"a\":".repeat(2500) + "1" + &"}".repeat(2500);
    for text in [
        "",
        " ",
        "null",
        "1",
        "true",
        "\"close_ticket\"",
        "[]",
        "[{\"type\":\"close_ticket\"}]",
        "{",
        "{\"type\":\"close_ticket\"",
        "{\"type\":\"close_ticket\"}}",
        "{\"type\":\"close_ticket\"} {\"type\":\"close_ticket\"}",
        "{'type':'close_ticket'}",
        "{\"type\":\"close_ticket\",}",
        "{type:\"close_ticket\"}",
        "close_ticket",
        &deep,
        &deep_object,
    ] {
        peer.send_text(text);
        peer.refused("bad_message");
    }
}

#[test]
fn the_refusal_of_a_bad_message_names_its_id_and_ticket_where_it_had_them() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    alice.send(&json!({ "type": "message", "id": 5 }));
    assert_eq!(alice.refused("bad_message")["id"], 5);
    alice.send(&json!({ "text": 5, "id": 6, "type": "message" }));
    assert_eq!(alice.refused("bad_message")["id"], 6);
    alice.send(&json!({ "type": "message", "id": 7, "text": "x".repeat(4001) }));
    assert_eq!(alice.refused("too_long")["id"], 7);
    alice.send(&json!({ "type": "message", "id": "x", "text": "x" }));
    assert_eq!(alice.refused("bad_message").get("id"), None);
    // Whatever else is wrong: no text, no JSON number, no JSON, no such id.
    for wrong in [r#""\ud800""#, "1e400", "nul", "\"a\nb\""] {
        alice.send_text(&format!(r#"{{"type":"message","id":8,"text":{wrong}}}"#));
        assert_eq!(alice.refused("bad_message")["id"], 8, "{wrong}");
        sam.send_text(&format!(r#"{{"type":"message","text":{wrong},"ticket_id":"{ticket}","id":8}}"#));
        let refusal = sam.refused("bad_message");
        assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(8), &json!(ticket)), "{wrong}");
    }
    alice.send_text(r#"{"type":"message","id":9,"text":"cut o"#);
    assert_eq!(alice.refused("bad_message")["id"], 9);
    sam.send_text(&format!(
        r#"{{"ticket_id":"{ticket}","id":18446744073709551616,"type":"message","text":"x"}}"#
    ));
    let refusal = sam.refused("bad_message");
    assert_eq!(
        (&refusal["id"], &refusal["ticket_id"]),
        (&json!(18_446_744_073_709_551_616_f64), &json!(ticket))
    );
    sam.send(&json!({ "type": "message", "id": 5, "ticket_id": ticket }));
    let refusal = sam.refused("bad_message");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(5), &json!(ticket)));
    sam.send(&json!({ "type": "transfer_ticket", "ticket_id": ticket }));
    assert_eq!(sam.refused("bad_message")["ticket_id"], ticket.as_str());
    sam.send(&json!({ "type": "message", "ticket_id": ticket, "id": 0, "text": "x" }));
    assert_eq!(sam.refused("bad_message")["ticket_id"], ticket.as_str());
}

/// A message may have fields that its type does not have.
#[test]
fn a_refusal_names_the_id_and_the_ticket_of_a_message_whose_type_has_neither() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let huge = json!(18_446_744_073_709_551_616_f64);
    let mut ben = desk.user("ben");
    for (frame, id, named) in [
        (r#"{"type":"close_ticket","id":7,"ticket_id":"no \"such\""}"#, json!(7), json!("no \"such\"")),
        (r#"{"type":"typing","active":true,"id":18446744073709551616}"#, huge, json!(null)),
        (r#"{"type":"delivered","seq":1,"ticket_id":"0000-0001","id":"7"}"#, json!(null), json!("0000-0001")),
        (r#"{"type":"message","text":"x","id":1,"ticket_id":"0000-0001"}"#, json!(1), json!("0000-0001")),
    ] {
        ben.send_text(frame);
        let refusal = ben.refused("no_ticket");
        assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&id, &named), "{frame}");
    }
    alice.send(&json!({ "type": "create_ticket", "subject": "again", "id": 8, "ticket_id": ticket }));
    let refusal = alice.refused("ticket_exists");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(8), &json!(ticket)));
    sam.send(&json!({ "type": "pick_ticket", "ticket_id": "0000-0001", "id": 9 }));
    let refusal = sam.refused("no_ticket");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(9), &json!("0000-0001")));
    sam.send(&json!({ "type": "go_offline" }));
    sam.expect("presence");
    sam.send(&json!({ "type": "pick_ticket", "ticket_id": ticket, "id": 10 }));
    let refusal = sam.refused("you_are_offline");
    assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(10), &json!(ticket)));
}

#[test]
fn the_refusal_of_a_message_over_the_rate_names_its_id_and_its_ticket() {
    let desk = Desk::with(&["--rate-limit", "1"]);
    let mut ben = desk.user("ben");
    let refusal = (0..100).find_map(|id| {
        ben.send(&json!({ "type": "ping", "id": id, "ticket_id": "0000-0001" }));
        let answer = ben.next();
        (answer["type"] == "error").then_some((id, answer))
    });
    let (id, refusal) = refusal.expect("a refusal within 100 messages");
    let named = (&refusal["code"], &refusal["id"], &refusal["ticket_id"]);
    assert_eq!(named, (&json!("rate_limited"), &json!(id), &json!("0000-0001")));
}
