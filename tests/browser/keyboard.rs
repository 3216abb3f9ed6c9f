//! Every action by keyboard, and single keys that do nothing while somebody is typing.

use crate::setup::{Console, Kind, Source, Stage, chat_by, sign_in, stories};
use crate::support::{Staff, TOKEN, User};

stories![
    a_staff_member_does_everything_by_keyboard,
    after_a_cut_one_key_picks_the_chat_again_and_one_leads_to_its_text,
    single_keys_do_nothing_while_somebody_writes,
    the_help_names_every_key_and_gives_the_focus_back,
    single_keys_can_be_switched_off,
    a_user_does_everything_by_keyboard,
];

/// Presses Tab until this element has the focus.
fn tab_to(page: &crate::page::Page, id: &str) {
    let there = (0..60).any(|_| {
        page.key("Tab");
        page.is(&format!("document.activeElement.id == '{id}'"))
    });
    assert!(there, "Tab comes to {id}");
}

fn a_staff_member_does_everything_by_keyboard(source: Source) {
    let stage = Stage::new(source);
    let mut kim = stage.desk.staff("kim").online();
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let tickets = users.each_mut().map(|user| {
        let subject = format!("from {}", user.name);
        user.create(&subject)
    });
    let console = Console::from(stage.page(Kind::Staff).open());
    signs_in_and_picks(&console, &mut users[0], &tickets);
    goes_through_its_chats(&console, &mut users[0], &tickets);
    says_a_ready_reply(&console, &mut users[0]);
    transfers(&console, &mut kim, &tickets[1]);
    releases_and_closes(&console, &mut users[0], &tickets[0]);
    goes_offline_and_signs_out(&console, &mut kim, &tickets[1]);
}

/// Signs in, goes online, picks twice.
fn signs_in_and_picks(console: &Console, ann: &mut User, [first, second]: &[String; 2]) {
    console.until("document.activeElement.id == 'staff-id'");
    console.type_keys("sam");
    console.key("Tab");
    console.write(TOKEN);
    console.key("Enter");
    console.until_connected();
    console.next_frame(); // the form is hidden, and so has lost the focus
    console.key("o");
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.until_ticket(second, "waiting");
    console.key("n");
    console.until_shown(first);
    console.until("document.activeElement.id == 'text'"); // so the first words are one key away
    console.type_keys("hello ann");
    console.key("Enter");
    assert_eq!(ann.expect("message")["text"], "hello ann");
    console.key("Escape");
    console.key("n");
    console.until_shown(second);
}

/// Goes to the next chat, to the last, to the unread one.
fn goes_through_its_chats(console: &Console, ann: &mut User, [first, second]: &[String; 2]) {
    console.key("Escape");
    console.key("j");
    console.until_shown(first);
    console.key("k");
    console.until_shown(second);
    ann.say(1, "anybody?");
    console.until_there(&format!("#chat-list [data-chat='{first}'] [data-unread]"));
    console.key("u");
    console.until_shown(first);
    console.until_received("anybody?");
    console.until_gone(&format!("#chat-list [data-chat='{first}'] [data-unread]"));
}

/// Says a ready reply: `/` from anywhere, and in an empty message.
fn says_a_ready_reply(console: &Console, ann: &mut User) {
    console.key("/");
    console.until_there("#canned");
    console.check("document.activeElement.id == 'canned-filter'");
    let reply = console.text("#canned-list li:first-child [data-canned]");
    console.type_keys(&reply[..4]);
    console.key("Enter");
    console.until_gone("#canned");
    assert_eq!(console.value("#text"), reply);
    console.key("Enter");
    assert_eq!(ann.expect("message")["text"], reply.as_str());
    console.key("/");
    console.until_there("#canned");
    console.key("Escape");
    console.until_gone("#canned");
}

/// Transfers the second, with a note.
fn transfers(console: &Console, kim: &mut Staff, second: &str) {
    console.key("Escape");
    console.key("j");
    console.until_shown(second);
    console.key("t");
    console.until_there("#transfer-dialog");
    console.check("document.activeElement.id == 'transfer-to'");
    console.key("Tab");
    console.type_keys("in a hurry");
    tab_to(console, "transfer-send");
    console.key("Enter");
    let picked = kim.expect("ticket_picked");
    assert_eq!((&picked["ticket_id"], &picked["note"]), (&second.into(), &"in a hurry".into()));
    console.until_gone(&format!("#chat-list [data-chat='{second}']"));
}

/// Releases the first, finds it by search, picks it again, closes it, dismisses it.
fn releases_and_closes(console: &Console, ann: &mut User, first: &str) {
    console.until_shown(first);
    console.key("Escape");
    console.key("r");
    console.until_there("#confirm");
    tab_to(console, "confirm-yes");
    console.key("Enter");
    console.until_ticket(first, "waiting");
    console.until_gone("#chat");
    console.key("s");
    console.type_keys("ann");
    console.until("document.querySelectorAll('#tickets li').length == 1");
    console.key("Escape");
    console.key("n");
    console.until_shown(first);
    console.key("Escape");
    console.key("c");
    console.until_there("#confirm");
    tab_to(console, "confirm-yes");
    console.key("Enter");
    assert_eq!(ann.expect("ticket_closed")["by"], "staff");
    console.until_chat_is("closed");
    console.key("Escape");
    console.key("d");
    console.until_there("#conversation-empty");
}

/// Picks again what was paused, goes offline, signs out.
fn goes_offline_and_signs_out(console: &Console, kim: &mut Staff, second: &str) {
    kim.release(second);
    console.until_ticket(second, "waiting");
    console.key("s");
    console.key("Ctrl+a");
    console.key("Backspace");
    console.key("Escape");
    console.key("n");
    console.until_shown(second);
    console.key("Escape");
    console.key("o");
    console.until_there("#confirm");
    tab_to(console, "confirm-yes");
    console.key("Enter");
    console.until_chat_is("repick");
    tab_to(console, "open-settings");
    console.key("Enter");
    tab_to(console, "sign-out");
    console.key("Enter");
    console.until_there("#sign-in-form");
}

fn after_a_cut_one_key_picks_the_chat_again_and_one_leads_to_its_text(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, console, _) = chat_by(stage.page(Kind::User), stage.page(Kind::Staff).by(&proxy));
    proxy.disconnect();
    console.until_locked("lost");
    proxy.restore();
    console.until_locked("repick");
    console.until("!document.querySelector('#pick-again').disabled"); // it is online again
    console.key("Escape");
    console.key("p");
    user.until_unlocked();
    console.until("document.activeElement.id == 'text'"); // the pick leads there, as soon as the page has heard of it
    console.key("Escape");
    console.check("document.activeElement.id != 'text'");
    console.key("m");
    console.check("document.activeElement.id == 'text'");
}

fn single_keys_do_nothing_while_somebody_writes(source: Source) {
    let stage = Stage::new(source);
    let mut alice = stage.desk.user("alice");
    let ticket = alice.create("the printer");
    let console = Console::from(stage.page(Kind::Staff).open());
    console.type_keys("onjkumsptrcd");
    assert_eq!(console.value("#staff-id"), "onjkumsptrcd");
    sign_in(&console, "sam", TOKEN);
    console.until_connected();
    console.go_online();
    console.pick(&ticket);
    let keys = "onjkumsptrcd/?";
    for field in ["#text", "#search"] {
        console.click(field);
        console.type_keys(keys);
        assert_eq!(console.value(field), keys);
    }
    console.click("#open-canned");
    console.until_there("#canned"); // a dialog's field, too
    console.click("#canned-new");
    console.type_keys(keys);
    assert_eq!(console.value("#canned-new"), keys);
    console.key("Escape");
    // Held with Ctrl or Alt, a key is the browser's.
    console.click("#log");
    console.key("Alt+o");
    console.key("Ctrl+r");
    console.until_shown(&ticket);
    console.check("document.querySelector('#presence').dataset.online == 'true'");
    assert!(!console.is_there("dialog[open]"));
}

fn the_help_names_every_key_and_gives_the_focus_back(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.click("#open-settings");
    console.key("Escape");
    console.key("?");
    console.until_there("#help");
    let named = console.texts("#help-keys kbd");
    for key in ["n", "j", "k", "u", "m", "/", "s", "p", "a", "t", "r", "c", "d", "o", "?", "Esc"] {
        assert!(named.iter().any(|kbd| kbd == key), "{key} is in the help: {named:?}");
    }
    console.check("[...document.querySelectorAll('#help-keys dd')].every(e => e.textContent.length > 3 && !e.textContent.startsWith('key-'))");
    console.key("o"); // a dialog is open: nothing happens behind it
    console.key("Escape");
    console.until_gone("#help");
    console.check("document.querySelector('#presence').dataset.online == 'false'");
    console.check("document.activeElement.id == 'open-settings'");
}

fn single_keys_can_be_switched_off(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.click("#open-settings");
    console.click("#shortcuts");
    console.key("Escape");
    console.click("#board-title");
    console.key("?");
    console.key("o");
    console.next_frame();
    assert!(!console.is_there("#help"));
    console.check("document.querySelector('#presence').dataset.online == 'false'");
}

fn a_user_does_everything_by_keyboard(source: Source) {
    let stage = Stage::new(source);
    let mut sam = stage.desk.staff("sam").online();
    let user = stage.user();
    tab_to(&user, "subject");
    user.type_keys("the printer");
    user.key("Enter");
    user.until("document.body.dataset.view == 'chat'");
    let ticket = user.text("#ticket-id");
    sam.pick(&ticket);
    user.until_unlocked();
    tab_to(&user, "text");
    user.type_keys("hello");
    user.key("Enter");
    assert_eq!(sam.expect("message")["text"], "hello");
    tab_to(&user, "close-ticket");
    user.key("Enter");
    tab_to(&user, "confirm-yes");
    user.key("Enter");
    assert_eq!(sam.expect("ticket_closed")["by"], "user");
    tab_to(&user, "new-ticket");
    user.key("Enter");
    user.until("document.activeElement.id == 'subject'");
    user.type_keys("once more");
    user.key("Enter");
    user.until("document.body.dataset.view == 'chat'");
    assert_ne!(user.text("#ticket-id"), ticket);
}
