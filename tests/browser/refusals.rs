//! Messages and receipts that the desk refuses for now are sent again by themselves, in order, and a long wait is
//! explained. Tickets and other actions: asking.rs.

use serde_json::{Value, json};

use crate::page::Page;
use crate::scripted::{Connection, ScriptedDesk, TICKET};
use crate::setup::{BOTH, Kind, Source, Stage, chat, sign_in, stories};

stories![
    what_the_other_side_has_not_read_holds_the_next_messages_until_its_receipt,
    a_held_message_goes_on_after_the_next_connection,
    a_message_that_is_on_its_way_when_its_ticket_is_given_again_is_not_sent_twice,
    a_message_that_was_too_fast_is_sent_again_after_longer_and_longer_waits,
    a_repeat_that_was_too_fast_is_never_called_failed,
    many_messages_at_once_arrive_in_order_while_the_other_side_looks_away,
    many_messages_at_once_are_confirmed_by_few_receipts,
    a_receipt_that_was_too_fast_is_sent_again,
];

/// Records when the page sends which frame, and when it explains a wait, by the page's clock.
const WATCH: &str = "
    window.sent = [];
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
        sent.push({ type: JSON.parse(text).type, at: Date.now() });
        send.call(this, text);
    };
    window.shownAt = null;
    addEventListener('DOMContentLoaded', () => {
        const hold = document.querySelector('#hold');
        new MutationObserver(() => window.shownAt ??= hold.textContent ? Date.now() : null).observe(hold, { childList: true });
    });";

/// Opens a page whose desk is the test.
pub fn page_at(stage: &Stage, kind: Kind, rate: u32) -> (Page, ScriptedDesk, Connection) {
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let mut page = stage.page(kind).at(desk.addr).faster(rate).before(WATCH).open();
    page.may_lose_connection = true;
    if kind == Kind::Staff {
        sign_in(&page, "sam", "any-token");
    }
    let connection = desk.accept();
    (page, desk, connection)
}

/// Does the same, and brings the page into a chat.
pub fn chat_at(stage: &Stage, kind: Kind, rate: u32) -> (Page, ScriptedDesk, Connection) {
    let (page, desk, mut connection) = page_at(stage, kind, rate);
    connection.welcome_to_chat(kind, 0, 0);
    page.until_unlocked();
    (page, desk, connection)
}

/// Sends all texts in one turn of the page, faster than a person can.
pub fn say_all(page: &Page, texts: &[&str]) {
    let send = "texts.forEach(text => {
        document.querySelector('#text').value = text;
        document.querySelector('#composer').requestSubmit();
    })";
    page.eval(&format!("{{ const texts = {}; {send} }}", json!(texts)));
}

/// Asserts that the page has sent nothing more.
pub fn is_silent(page: &Page, connection: &mut Connection) {
    page.eval("wire.send({ type: 'ping' }), 0");
    assert_eq!(connection.next()["type"], "ping", "nothing else was sent");
    connection.send(&json!({ "type": "pong", "now": 1000 }));
}

pub fn states(page: &Page) -> Vec<String> {
    let states =
        page.eval("[...document.querySelectorAll('li.message[data-from=me]')].map(e => e.dataset.state)");
    serde_json::from_value(states).unwrap()
}

fn what_the_other_side_has_not_read_holds_the_next_messages_until_its_receipt(source: Source) {
    let stage = Stage::new(source);
    for kind in BOTH {
        let (page, _desk, mut connection) = chat_at(&stage, kind, 5);
        say_all(&page, &["one", "two", "three"]);
        let first = connection.expect_message("one");
        connection.ack(&first, 1);
        let refused = connection.expect_message("two");
        let before = page.eval("Date.now()").as_f64().unwrap();
        connection.refuse(&refused, "unread_limit");
        is_silent(&page, &mut connection);
        assert_eq!(states(&page), ["sent", "sending", "sending"]);

        page.until_text("#hold", "has not read your last messages yet");
        assert!(page.eval("shownAt").as_f64().unwrap() >= before + 5000.0, "only a long wait is explained");
        page.check("document.querySelector('#hold').role == 'status'");
        is_silent(&page, &mut connection);
        assert_eq!(states(&page), ["sent", "sending", "sending"]);

        connection.delivered(1);
        let second = connection.expect_message("two");
        assert!(second.as_u64() > first.as_u64());
        page.until_gone("#hold");
        connection.ack(&second, 2);
        let third = connection.expect_message("three");
        assert!(third.as_u64() > second.as_u64());
        connection.ack(&third, 3);
        connection.delivered(3);
        page.until("document.querySelectorAll('li.message[data-state=delivered]').length == 3");
        is_silent(&page, &mut connection);
        assert_eq!(page.messages(), ["one", "two", "three"]);
    }
}

fn a_held_message_goes_on_after_the_next_connection(source: Source) {
    let stage = Stage::new(source);
    for kind in BOTH {
        let (page, desk, mut connection) = chat_at(&stage, kind, 1);
        say_all(&page, &["one", "two", "three"]);
        let first = connection.expect_message("one");
        connection.ack(&first, 1);
        let refused = connection.expect_message("two");
        connection.refuse(&refused, "unread_limit");
        is_silent(&page, &mut connection);
        drop(connection);

        let mut connection = desk.accept();
        connection.welcome_to_chat(kind, first.as_u64().unwrap(), 1);
        for (seq, text) in [(2, "two"), (3, "three")] {
            let id = connection.expect_message(text);
            connection.ack(&id, seq);
        }
        page.until("document.querySelectorAll('li.message[data-state=sent]').length == 3");
        assert_eq!(page.messages(), ["one", "two", "three"]);
    }
}

/// A ticket that was given back and comes again at once: the message was sent in between, and is answered after it. Were
/// it sent a second time before that, it could be refused once and accepted once.
fn a_message_that_is_on_its_way_when_its_ticket_is_given_again_is_not_sent_twice(source: Source) {
    let stage = Stage::new(source);
    let (page, _desk, mut connection) = chat_at(&stage, Kind::Staff, 1);
    say_all(&page, &["one"]);
    let first = connection.expect_message("one");
    connection.picked(0, 0);
    is_silent(&page, &mut connection);
    connection.refuse(&first, "unread_limit");
    is_silent(&page, &mut connection);
    connection.delivered(0);
    let again = connection.expect_message("one");
    assert_eq!(again, first, "under the same id, which no copy of this tab can double");
    connection.ack(&again, 1);
    is_silent(&page, &mut connection);
    assert_eq!(states(&page), ["sent"]);
}

/// Each page once, since it takes long.
fn a_message_that_was_too_fast_is_sent_again_after_longer_and_longer_waits(source: Source) {
    let stage = Stage::new(source);
    let kind = if source == Source::Disk { Kind::User } else { Kind::Staff };
    let (page, _desk, mut connection) = chat_at(&stage, kind, 5);
    say_all(&page, &["one", "two"]);
    for _ in 0..5 {
        let id = connection.expect_message("one");
        connection.refuse(&id, "rate_limited");
    }
    assert_eq!(states(&page), ["sending", "sending"]);
    page.until_text("#hold", "faster than the desk takes it");
    let first = connection.expect_message("one");
    connection.ack(&first, 1);
    let second = connection.expect_message("two");
    assert!(second.as_u64() > first.as_u64());
    connection.ack(&second, 2);
    page.until_gone("#hold");
    page.until("document.querySelectorAll('li.message[data-state=sent]').length == 2");

    let at = "sent.filter(({ type }) => type == 'message').map(({ at }) => at)";
    let at: Vec<f64> = serde_json::from_value(page.eval(at)).unwrap();
    let waits: Vec<f64> = at.windows(2).take(5).map(|two| two[1] - two[0]).collect();
    for (wait, least) in waits.iter().zip([1000.0, 2000.0, 4000.0, 8000.0, 10_000.0]) {
        // The clock of the page is read in whole milliseconds, five times as fast as ours.
        assert!(*wait >= least - 10.0, "{waits:?}");
    }
}

/// It was accepted before the connection was lost. Sent again under a new id, it would be shown twice.
fn a_repeat_that_was_too_fast_is_never_called_failed(source: Source) {
    let stage = Stage::new(source);
    for kind in BOTH {
        let (page, desk, mut connection) = chat_at(&stage, kind, 4);
        say_all(&page, &["one", "two"]);
        let id = connection.expect_message("one");
        drop(connection); // before the ack

        let mut connection = desk.accept();
        connection.welcome_to_chat(kind, id.as_u64().unwrap(), 1);
        assert_eq!(connection.expect_message("one"), id);
        connection.refuse(&id, "rate_limited");
        assert_eq!(connection.expect_message("one"), id, "still the same, under the same id");
        assert_eq!(states(&page), ["sent", "sending"]);
        connection.ack(&id, 1);
        let second = connection.expect_message("two");
        connection.ack(&second, 2);
        page.until("document.querySelectorAll('li.message[data-state=sent]').length == 2");
        assert_eq!(page.messages(), ["one", "two"]);
    }
}

/// With a real desk and its limits: over 50 messages a second, over 200 that are not confirmed.
fn many_messages_at_once_arrive_in_order_while_the_other_side_looks_away(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    let texts: Vec<String> = (1..=210).map(|n| format!("number {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let tab = console.hide();
    say_all(&user, &texts);
    user.until("document.querySelectorAll('li.message[data-state=sent]').length >= 195");
    console.show_again(&tab);
    user.until("document.querySelectorAll('li.message[data-state=delivered]').length == 210");
    assert_eq!(console.messages(), texts);
    assert_eq!(user.messages(), texts);
    user.until_gone("#hold");
}

fn many_messages_at_once_are_confirmed_by_few_receipts(source: Source) {
    let stage = Stage::new(source);
    for (kind, from) in [(Kind::User, "staff"), (Kind::Staff, "user")] {
        let (page, _desk, mut connection) = chat_at(&stage, kind, 1);
        page.eval("sent.length = 0");
        (1..=200).for_each(|seq| connection.send(&message(from, seq)));
        while connection.expect("delivered")["seq"] != 200 {}
        let receipts = page.eval("sent.filter(({ type }) => type == 'delivered').length").as_u64().unwrap();
        assert!(receipts < 50, "{receipts} receipts: a second's worth of frames");
        assert_eq!(page.messages().len(), 200);
    }
}

fn message(from: &str, seq: u64) -> Value {
    json!({ "type": "message", "ticket_id": TICKET, "seq": seq, "from": from, "sender_id": "other", "id": seq,
        "text": format!("number {seq}"), "at": 1000 })
}

/// The other side may be waiting for the receipt.
fn a_receipt_that_was_too_fast_is_sent_again(source: Source) {
    let stage = Stage::new(source);
    for (kind, from) in [(Kind::User, "staff"), (Kind::Staff, "user")] {
        let (_page, _desk, mut connection) = chat_at(&stage, kind, 5);
        connection.send(&message(from, 1));
        for _ in 0..3 {
            assert_eq!(connection.expect("delivered")["seq"], 1);
            connection.refuse(&Value::Null, "rate_limited");
        }
        assert_eq!(connection.expect("delivered")["seq"], 1);
    }
}
