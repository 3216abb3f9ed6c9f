//! Typing: what the keys do, and that incoming messages do not disturb it.

use crate::setup::{Kind, Source, Stage, chat, chat_with_staff, row, stories};

stories![
    enter_sends_and_shift_enter_breaks_the_line,
    enter_in_an_input_method_does_not_send,
    focus_stays_after_sending_by_key_and_by_button,
    what_comes_in_never_moves_the_caret,
    drafts_one_a_ticket_survive_a_reload,
    the_users_draft_survives_a_reload,
    a_key_does_not_write_the_whole_chat_down,
    a_text_that_is_too_long_is_marked_while_it_is_written_and_never_cut,
];

fn enter_sends_and_shift_enter_breaks_the_line(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        page.click("#text");
        page.type_keys("one");
        page.key("Shift+Enter");
        page.type_keys("two");
        assert_eq!(page.value("#text"), "one\ntwo");
        page.key("Enter");
        assert_eq!(page.value("#text"), "");
        other.until_received("one\ntwo");
        page.key("Enter"); // nothing is nothing to send
        page.type_keys("  ");
        page.key("Enter");
        page.until_said("one\ntwo", "delivered");
    }
    assert_eq!(user.messages(), ["one\ntwo", "one\ntwo"]);
    assert_eq!(console.messages(), ["one\ntwo", "one\ntwo"]);
}

fn enter_in_an_input_method_does_not_send(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        page.eval("window.composing = 0; addEventListener('keydown', e => composing += e.isComposing, true)");
        page.click("#text");
        page.compose("こんにちは");
        page.key("Enter"); // takes the word that the method offers
        page.check("composing == 1"); // or this test would prove nothing
        assert!(!page.value("#text").is_empty(), "not sent");
        page.write("こんにちは"); // the method's own way to end the word
        page.key("Enter");
        other.until_received("こんにちは");
    }
    assert_eq!(user.messages(), ["こんにちは", "こんにちは"]);
}

fn focus_stays_after_sending_by_key_and_by_button(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for page in [&*user, &*console] {
        page.say("by key");
        page.check("document.activeElement.id == 'text'");
        page.fill("#text", "by button");
        page.click("#send");
        page.until_said("by button", "delivered");
        page.check("document.activeElement.id == 'text'");
    }
}

fn what_comes_in_never_moves_the_caret(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        page.fill("#text", "helo");
        page.key("ArrowLeft");
        other.say("meanwhile");
        page.until_received("meanwhile");
        page.type_keys("l");
        assert_eq!(page.value("#text"), "hello");
        page.check("document.activeElement.id == 'text' && document.activeElement.selectionStart == 4");
        page.fill("#text", "");
    }
    // A new ticket, and one that goes, redraw the board around the writer.
    console.fill("#text", "helo");
    console.key("ArrowLeft");
    let mut bob = stage.desk.user("bob");
    let ticket = bob.create("the door");
    console.until_ticket(&ticket, "waiting");
    bob.close_ticket();
    console.until_gone(&format!("#tickets [data-ticket='{ticket}']"));
    console.type_keys("l");
    assert_eq!(console.value("#text"), "hello");
}

fn drafts_one_a_ticket_survive_a_reload(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let tickets = users.each_mut().map(|user| user.create("the printer"));
    for (ticket, draft) in tickets.iter().zip(["for ann", "for bob"]) {
        console.pick(ticket);
        console.fill("#text", draft);
    }
    console.click(&format!("#chat-list [data-chat='{}'] button", tickets[0]));
    console.until_shown(&tickets[0]);
    assert_eq!(console.value("#text"), "for ann");

    console.reload();
    console.until_connected(); // the sign-in is the tab's, too
    console.until_text("#who", "sam");
    for (ticket, draft) in tickets.iter().zip(["for ann", "for bob"]) {
        console.click(&format!("#chat-list [data-chat='{ticket}'] button"));
        console.until(&format!("document.querySelector('#chat').dataset.ticket == '{ticket}'"));
        assert_eq!(console.value("#text"), draft);
    }
}

fn the_users_draft_survives_a_reload(source: Source) {
    let stage = Stage::new(source);
    let (user, _console, ticket) = chat(&stage);
    user.say("said");
    user.until_said("said", "delivered");
    user.fill("#text", "not yet said");
    user.reload();
    user.until_unlocked();
    assert_eq!(user.value("#text"), "not yet said");
    assert_eq!(user.text("#ticket-id"), ticket);
    user.check(&format!("{}.dataset.state == 'delivered'", row("said", "me")));
}

fn a_key_does_not_write_the_whole_chat_down(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    for (page, name) in [(&*user, "chat".to_owned()), (&*console, format!("chat.{ticket}"))] {
        let stored = format!("sessionStorage.getItem(`deskwire.{name}@${{deskAddress}}`)");
        let typed = "(field => (field.value = 'a draft', field.dispatchEvent(new Event('input'))))(document.querySelector('#text'))";
        page.check(&format!("(before => {typed} && {stored} == before)({stored})"));
        // It is not written as soon as the key has been handled either.
        page.check(&format!(
            "(real => {{
                const waits = [];
                window.setTimeout = (act, ms) => (waits.push(ms), real(act, ms));
                {typed};
                window.setTimeout = real;
                return waits.length && waits.every(ms => ms >= 300);
            }})(setTimeout)"
        ));
        page.until(&format!("JSON.parse({stored}).draft == 'a draft'")); // once the keys rest
    }
}

fn a_text_that_is_too_long_is_marked_while_it_is_written_and_never_cut(source: Source) {
    let stage = Stage::new(source);
    let (user, mut sam, _) = chat_with_staff(&stage, stage.page(Kind::User));
    let text = "🦀".repeat(4001); // characters, not UTF-16 units
    user.fill("#text", &text);
    user.until("document.querySelector('#text-error').textContent");
    user.check("document.querySelector('#text').getAttribute('aria-invalid') == 'true'");
    user.key("Enter");
    assert_eq!(user.value("#text"), text);
    user.key("Backspace");
    user.until("!document.querySelector('#text').hasAttribute('aria-invalid')");
    user.key("Enter");
    let heard = sam.expect("message");
    assert_eq!(heard["text"].as_str().unwrap().chars().count(), 4000);
}
