//! Tickets and actions that the desk refuses for now are asked for again by themselves, and what waits is shown.

use serde_json::{Value, json};

use crate::layout::fits;
use crate::refusals::{chat_at, is_silent, page_at, say_all};
use crate::scripted::{Connection, TICKET, ticket};
use crate::setup::{BOTH, Kind, Source, Stage, stories};

stories![
    a_full_desk_is_asked_again_and_the_subject_is_kept,
    a_ticket_that_was_too_fast_is_asked_for_again,
    an_action_that_was_too_fast_is_repeated_once,
    the_end_of_a_chat_that_was_too_fast_is_asked_for_again,
    what_waits_is_shown_and_read_out_and_fits_every_screen,
    why_the_desk_closed_is_shown_and_the_page_comes_back,
];

fn a_full_desk_is_asked_again_and_the_subject_is_kept(source: Source) {
    let stage = Stage::new(source);
    let (page, desk, mut connection) = page_at(&stage, Kind::User, 10);
    connection.welcome(Kind::User, None);
    page.until_connected();
    page.put("#subject", "the printer");
    page.key("Enter");
    for _ in 0..3 {
        assert_eq!(connection.expect("create_ticket")["subject"], "the printer"); // by itself
        connection.send(&json!({ "type": "error", "code": "desk_full", "message": "no room" }));
        page.until_text("#asking-text", "no room for new tickets");
        assert_eq!(page.value("#subject"), "the printer");
    }
    let at = "sent.filter(({ type }) => type == 'create_ticket').map(({ at }) => at)";
    let at: Vec<f64> = serde_json::from_value(page.eval(at)).unwrap();
    assert!(at.windows(2).all(|two| two[1] - two[0] >= 14_900.0), "now and then: {at:?}");

    page.click("#cancel-ask");
    page.until_gone("#asking");
    page.check("document.activeElement.id == 'subject'");
    assert_eq!(page.value("#subject"), "the printer");
    page.write(", still");
    page.key("Enter");
    let asked = connection.expect("create_ticket")["subject"].clone();
    connection.send(&json!({ "type": "error", "code": "desk_full", "message": "no room" }));
    page.click("#ask-now");
    assert_eq!(connection.expect("create_ticket")["subject"], asked);
    connection.send(&json!({ "type": "error", "code": "desk_full", "message": "no room" }));

    // A page that was loaded anew still asks, and says so.
    page.until_there("#asking");
    page.reload();
    let mut connection = desk.accept();
    connection.welcome(Kind::User, None);
    assert_eq!(connection.expect("create_ticket")["subject"], asked);
    assert_eq!(asked, page.value("#subject"));
    page.check("document.querySelector('#create').disabled");
    created(&mut connection, &asked);
    page.until("document.body.dataset.view == 'chat'");
}

fn created(connection: &mut Connection, subject: &Value) {
    connection
        .send(&json!({ "type": "ticket_created", "ticket_id": TICKET, "subject": subject, "at": 1000 }));
}

fn a_ticket_that_was_too_fast_is_asked_for_again(source: Source) {
    let stage = Stage::new(source);
    let (page, _desk, mut connection) = page_at(&stage, Kind::User, 5);
    connection.welcome(Kind::User, None);
    page.until_connected();
    page.put("#subject", "the printer");
    page.key("Enter");
    for _ in 0..3 {
        connection.expect("create_ticket");
        connection.send(&json!({ "type": "error", "code": "rate_limited", "message": "too fast" }));
        page.until_text("#asking-text", "ask again");
    }
    let asked = connection.expect("create_ticket")["subject"].clone();
    created(&mut connection, &asked);
    page.until("document.body.dataset.view == 'chat'");
    assert_eq!(page.text("#chat-subject"), "the printer");
    page.check("askAgain.rate_limited.isWaiting == false");
}

fn an_action_that_was_too_fast_is_repeated_once(source: Source) {
    let stage = Stage::new(source);
    let (page, _desk, mut connection) = page_at(&stage, Kind::Staff, 5);
    connection.welcome(Kind::Staff, Some(ticket("waiting", 0, 0)));
    page.click("#go-online");
    for _ in 0..2 {
        connection.expect("go_online");
        connection.send(&json!({ "type": "error", "code": "rate_limited", "message": "too fast" }));
    }
    page.until_text("#problem", "Still offline: too many at once");
    page.click("#go-online");
    connection.expect("go_online");
    connection.send(&json!({ "type": "presence", "online": true }));

    page.click("[data-pick]");
    for _ in 0..2 {
        connection.expect("pick_ticket");
        connection.refuse(&Value::Null, "rate_limited");
    }
    page.until_text("#problem", "“the printer” was not picked: too many at once");
    page.click("[data-pick]");
    connection.expect("pick_ticket");
    connection.refuse(&Value::Null, "rate_limited");
    connection.expect("pick_ticket");
    connection.picked(0, 0);
    page.until_unlocked();
    assert_eq!(page.text("#problem"), "");
    is_silent(&page, &mut connection);
}

fn the_end_of_a_chat_that_was_too_fast_is_asked_for_again(source: Source) {
    let stage = Stage::new(source);
    let (page, _desk, mut connection) = chat_at(&stage, Kind::User, 5);
    page.click("#close-ticket");
    page.click("#confirm-yes");
    for _ in 0..3 {
        connection.expect("close_ticket");
        connection.refuse(&Value::Null, "rate_limited");
    }
    connection.expect("close_ticket");
    connection.send(&json!({ "type": "ticket_closed", "ticket_id": TICKET, "by": "user", "at": 1000 }));
    page.until("document.querySelector('#chat').dataset.ticketState == 'closed'");
    page.check("!isClosing && !closeAgain.isWaiting");
}

fn what_waits_is_shown_and_read_out_and_fits_every_screen(source: Source) {
    let stage = Stage::new(source);
    let (page, _desk, mut connection) = page_at(&stage, Kind::User, 1);
    connection.welcome(Kind::User, None);
    page.until_connected();
    page.put("#subject", "the printer");
    page.key("Enter");
    let asked = connection.expect("create_ticket")["subject"].clone();
    connection.send(&json!({ "type": "error", "code": "desk_full", "message": "no room" }));
    page.until_there("#asking");
    page.axe_clean("a full desk");
    fits(&page, "a full desk");
    page.resize(1280, 800);
    created(&mut connection, &asked);
    connection.send(&json!({ "type": "staff_joined", "ticket_id": TICKET, "staff_id": "sam", "at": 1000 }));
    page.until_unlocked();
    say_all(&page, &["one"]);
    let id = connection.expect_message("one");
    connection.refuse(&id, "unread_limit");
    page.until_text("#hold", "sam has not read your last messages yet");
    page.axe_clean("a message that is held");
    fits(&page, "a message that is held");
}

fn why_the_desk_closed_is_shown_and_the_page_comes_back(source: Source) {
    let stage = Stage::new(source);
    for kind in BOTH {
        let (page, desk, mut connection) = chat_at(&stage, kind, 1);
        for (code, reason, words) in [
            (1011, "failed", "has a fault"),
            (1012, "restarting", "restarts"),
            (1013, "full", "takes no more connections"),
        ] {
            connection.close(code);
            page.until_there(&format!("#notice[data-reason={reason}]"));
            page.until_text("#notice-text", words);
            page.check("document.querySelector('#try-now').checkVisibility()");
            connection = desk.accept();
            connection.welcome_to_chat(kind, 0, 0);
            page.until_gone("#notice");
            page.until_connected();
        }
    }
}
