//! Texts and ids, passed on unchanged: their lengths, their characters, their JSON, and unexpected fields.

use crate::support::client::of_type;
use crate::support::{Chat, Desk, Value, int, json};

/// The protocol's limit for a text.
const TEXT_CHARS_MAX: usize = 4000;

#[test]
fn a_text_has_1_to_4000_characters_however_many_bytes_they_are() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let long = ["x", "ü", "\u{20AC}", "\u{1F5A8}", "\u{10FFFF}"].map(|one| one.repeat(TEXT_CHARS_MAX));
    for (id, text) in (1..).zip(&long) {
        alice.say(id, text);
        assert_eq!(sam.expect("message")["text"], text.as_str());
        sam.say(&ticket, id, text);
        assert_eq!(alice.expect("message")["text"], text.as_str());
        alice.say(id + 1, &format!("{text}x"));
        assert_eq!(alice.refused("too_long")["id"], id + 1);
        sam.say(&ticket, id + 1, &format!("x{text}"));
        let refusal = sam.refused("too_long");
        assert_eq!((&refusal["id"], &refusal["ticket_id"]), (&json!(id + 1), &json!(ticket)));
    }
    alice.say(9, "");
    assert_eq!(alice.refused("bad_message")["id"], 9);
    sam.say(&ticket, 9, "");
    assert_eq!(sam.refused("bad_message")["id"], 9);
    alice.nothing_of(&["message"]);
    sam.nothing_of(&["message"]);
}

#[test]
fn an_escape_in_json_counts_as_the_one_character_that_it_stands_for() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    for (id, (escape, one, times)) in (1..).zip([
        ("\\n", "\n", 4000),
        ("\\u0041", "A", 2500),
        ("\\\"", "\"", 4000),
        ("\\ud83d\\udda8", "\u{1F5A8}", 1200),
    ]) {
        alice.send_text(&format!(r#"{{"type":"message","id":{id},"text":"{}"}}"#, escape.repeat(times)));
        assert_eq!(sam.expect("message")["text"], one.repeat(times), "{escape}");
        alice.expect("ack");
    }
    alice.send_text(&format!(r#"{{"type":"message","id":9,"text":"{}"}}"#, "\\n".repeat(4001)));
    assert_eq!(alice.refused("too_long")["id"], 9);
    alice.close_ticket();
    alice.expect("ticket_closed");
    alice.send_text(&format!(r#"{{"type":"create_ticket","subject":"{}"}}"#, "\\ud83d\\udda8".repeat(201)));
    alice.refused("too_long");
    alice.send_text(&format!(r#"{{"type":"create_ticket","subject":"{}"}}"#, "\\ud83d\\udda8".repeat(200)));
    assert_eq!(alice.expect("ticket_created")["subject"], "\u{1F5A8}".repeat(200));
}

#[test]
fn a_text_arrives_as_it_was_typed() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let texts = [
        " ",
        "\0",
        "\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{80}\u{9f}",
        "line\r\nline\tend\u{2028}\u{2029}\u{85}",
        "\u{1b}[31mred\u{1b}[0m",
        "<script>alert(\"1\" + '1')</script> &amp; </b>",
        "\\\" \\u0041 \\ /",
        "{\"type\":\"close_ticket\"}",
        "e\u{301} \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} \u{202E}abc\u{202C} \u{FEFF} \u{FFFD} \u{FFFF} \u{E000}",
        "\u{0627}\u{0644}\u{0633}\u{0644}\u{0627}\u{0645} \u{4F60}\u{597D}",
        "null",
    ];
    for (id, text) in (1..).zip(texts) {
        alice.say(id, text);
        assert_eq!(sam.expect("message")["text"], text);
        sam.say(&ticket, id, text);
        assert_eq!(alice.expect("message")["text"], text);
    }
    // Unchanged when it is sent again, too.
    sam.go_offline();
    sam.go_online();
    sam.drain();
    sam.pick(&ticket);
    let again: Vec<Value> = of_type(&sam.drain(), "message").iter().map(|m| m["text"].clone()).collect();
    assert_eq!(again, texts);
}

#[test]
fn an_escaped_nul_is_a_character_and_half_a_surrogate_pair_is_not() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    alice.send_text(r#"{"type":"message","id":1,"text":"a\u0000b"}"#);
    assert_eq!(sam.expect("message")["text"], "a\0b");
    alice.expect("ack");
    for half in [
        r"\ud83d",
        r"\udda8",
        r"\udda8\ud83d",
        r"\ud83dx",
        r"\ud83d\n",
        r"\ud83d\ud83d",
        r"\u12",
        r"\x41",
        r"\'",
    ] {
        alice.send_text(&format!(r#"{{"type":"message","id":2,"text":"{half}"}}"#));
        assert_eq!(alice.refused("bad_message")["code"], "bad_message", "{half}");
    }
    // In JSON, control characters must be escaped.
    alice.send_text("{\"type\":\"message\",\"id\":2,\"text\":\"a\nb\"}");
    alice.refused("bad_message");
    sam.nothing_more();
    alice.say(2, "fine");
    assert_eq!(int(&alice.expect("ack"), "seq"), 2);
}

#[test]
fn an_id_is_a_whole_number_from_1() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for id in [
        "0",
        "-1",
        "1.5",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "{}",
        "1e400",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        "-18446744073709551616",
        "01",
        "+1",
        "0x1",
    ] {
        // An integer is sent back, whatever its size. Nothing else is an id.
        let is_integer = id.parse::<i128>().is_ok() && !id.starts_with(['+', '0']) || id == "0";
        let sent_back = is_integer.then(|| serde_json::from_str::<Value>(id).unwrap());
        alice.send_text(&format!(r#"{{"type":"message","id":{id},"text":"x"}}"#));
        assert_eq!(alice.refused("bad_message").get("id"), sent_back.as_ref(), "id {id}");
        sam.send_text(&format!(r#"{{"type":"message","ticket_id":"{ticket}","id":{id},"text":"x"}}"#));
        assert_eq!(sam.refused("bad_message").get("id"), sent_back.as_ref(), "id {id}");
    }
    alice.send_text(r#"{"type":"message","text":"x"}"#);
    alice.refused("bad_message");
    alice.nothing_more();
    sam.nothing_more();
    // None of them has used up an id.
    alice.say(1, "the first");
    alice.say((1 << 53) - 1, "the last");
    assert_eq!(int(&alice.expect_where("ack", "the last", |m| m["id"] == ((1_u64 << 53) - 1)), "seq"), 2);
    assert_eq!(sam.expect_where("message", "the last", |m| m["seq"] == 2)["id"], (1_u64 << 53) - 1);
}

#[test]
fn unknown_fields_are_ignored_whatever_they_contain() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    // Some are fields of other messages, with a wrong type.
    alice.send(&json!({
        "type": "message", "id": 1, "text": "hello", "seq": "x", "active": 7, "subject": [], "ticket_id": 5, "to": null,
        "from": "staff", "sender_id": "sam", "at": -1, "nested": { "type": "close_ticket", "text": ["\u{1F5A8}"] }, "": "",
    }));
    let got = sam.expect("message");
    assert_eq!(
        (&got["text"], &got["from"], &got["sender_id"], &got["ticket_id"]),
        (&json!("hello"), &json!("user"), &json!("alice"), &json!(ticket))
    );
    sam.send(&json!({
        "type": "message", "id": 1, "text": "hello", "ticket_id": ticket, "subject": 1, "note": {}, "user_id": "bob",
        "staff_id": "kim", "sender_id": "kim", "seq": 99,
    }));
    let got = alice.expect("message");
    assert_eq!((&got["sender_id"], int(&got, "seq")), (&json!("sam"), 2));
    // Valid JSON, though no valid text and no number that fits.
    for anything in [r#""\ud800""#, "1e400", r#"{"\ud800":["]}"]}"#] {
        let typing =
            format!(r#"{{"type":"typing","text":{anything},"id":{anything},"active":true,"x":{anything}}}"#);
        alice.send_text(&typing);
        assert_eq!(sam.expect("typing")["active"], true, "{anything}");
    }
    sam.send(&json!({ "type": "go_offline", "ticket_id": 5, "online": true }));
    assert_eq!(sam.expect("presence")["online"], false);
    alice.expect("staff_offline");
    alice.send(&json!({ "type": "close_ticket", "id": "x", "text": 5 }));
    alice.expect("ticket_closed");
    for (refused, code) in [
        (json!({ "name": "" }), "bad_message"),
        (json!({ "name": "a\u{202E}b" }), "bad_message"),
        (json!({ "name": "x".repeat(65) }), "too_long"),
        (json!({ "page": 5 }), "bad_message"),
        (json!({ "page": "/".repeat(301) }), "too_long"),
    ] {
        let mut create = refused.clone();
        (create["type"], create["subject"]) = (json!("create_ticket"), json!("new"));
        alice.send(&create);
        assert_eq!(alice.refused(code)["code"], code, "{refused}");
    }
    alice.send(&json!({
        "type": "create_ticket", "subject": "new", "id": [] , "user_id": "bob", "name": "Alice", "page": null,
    }));
    alice.expect("ticket_created");
    assert_eq!(
        sam.expect_where("ticket_added", "it", |m| m["ticket"]["subject"] == "new")["ticket"]["user_id"],
        "alice"
    );
}

#[test]
fn the_last_of_duplicate_fields_counts() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    alice.send_text(r#"{"type":"close_ticket","type":"message","id":7,"id":1,"text":5,"text":"the last"}"#);
    assert_eq!(sam.expect("message")["text"], "the last");
    assert_eq!(int(&alice.expect("ack"), "id"), 1);
    alice.send_text(r#"{"id":2,"text":"x","type":"message","text":5}"#);
    assert_eq!(alice.refused("bad_message")["id"], 2);
}

#[test]
fn fields_may_come_in_any_order_and_with_any_blanks() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    alice.send_text("\r\n\t {\"text\" :\"a\"\n,\"id\"\t: 1 , \"type\":\r\"message\"} \n");
    assert_eq!(sam.expect("message")["text"], "a");
    alice.send_text(r#"{"\u0074ype":"m\u0065ssage","i\u0064":2,"text":"b"}"#);
    assert_eq!(sam.expect("message")["text"], "b");
}
