//! A chat from its beginning to its end, as both pages show it.

use std::fs;

use serde_json::json;

use crate::chromium::target_dir;
use crate::page::poll;
use crate::setup::{Source, Stage, chat, stories};

stories![
    a_user_and_a_staff_member_talk,
    the_user_sees_the_place_in_the_queue_and_who_is_there,
    the_end_offers_another_chat_and_the_transcript,
    the_ticket_id_is_copied_by_a_button,
    a_name_is_shown_and_none_is_needed,
    the_board_shows_what_waits_is_mine_is_taken_and_is_paused,
    unread_messages_are_counted_until_they_are_read,
    a_transfer_takes_its_note_along,
    the_search_finds_by_subject_user_and_ticket,
    ready_replies_are_kept_in_the_browser,
    typing_is_seen_on_the_other_side_and_ends,
];

fn a_user_and_a_staff_member_talk(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    user.say("hello, the printer is on fire");
    console.until_received("hello, the printer is on fire");
    user.until_said("hello, the printer is on fire", "delivered");
    console.say("which colour?");
    user.until_received("which colour?");
    console.until_said("which colour?", "delivered");
    assert_eq!(user.messages(), console.messages());

    console.click("#close-ticket");
    console.click("#confirm-yes");
    user.until_ticket_is("closed");
    console.until_chat_is("closed");
    console.until_gone(&format!("#tickets [data-ticket='{ticket}']"));
    assert_eq!(user.lines(), ["created", "joined", "closed"]);
    assert_eq!(console.lines(), ["joined", "closed"]);
    assert_eq!((user.sockets().len(), console.sockets().len()), (1, 1));
}

fn the_user_sees_the_place_in_the_queue_and_who_is_there(source: Source) {
    let stage = Stage::new(source);
    let tickets = ["first", "second"].map(|id| stage.desk.user(id).create("before you"));
    let user = stage.user();
    user.until_text("#desk-state", "Nobody is online");
    user.ask("the printer");
    user.until_text("#queue-place", "3");
    user.until_text("#queue-wait", "Nobody is online");
    user.until_locked("waiting");
    let mut sam = stage.desk.staff("sam").online();
    sam.pick(&tickets[0]);
    user.until_text("#queue-place", "2");
    user.until("!document.querySelector('#queue-wait').textContent.includes('Nobody')");
    sam.pick(&tickets[1]);
    user.until_text("#queue-place", "You are next");
    user.until_text("#queue-wait", "about 1 minute"); // as the two picks were, and rounded up
}

fn the_end_offers_another_chat_and_the_transcript(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    user.say("one\nand a half");
    console.until_received("one\nand a half");
    console.say("two");
    user.until_received("two");
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");

    let folder = target_dir().join(format!("saved-{ticket}"));
    user.context_cdp("Browser.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": folder }));
    user.click("#save-transcript");
    let file = folder.join(format!("ticket-{ticket}.txt"));
    poll(|| file.exists().then_some(())).expect("a file is saved");
    let saved = fs::read_to_string(&file).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let year = user.eval("String(new Date().getFullYear())");
    for part in ["the printer", &ticket, year.as_str().unwrap(), "You: one\nand a half", "sam: two"] {
        assert!(saved.contains(part), "{part} is in the transcript: {saved}");
    }

    user.click("#new-ticket");
    user.check("document.activeElement.id == 'subject'");
    user.click("#back-to-chat");
    user.until_there("#save-transcript");
    user.click("#new-ticket");
    let next = user.ask("and the lamp");
    assert_ne!(next, ticket);
    console.until_ticket(&next, "waiting");
    assert!(user.messages().is_empty());
}

fn the_ticket_id_is_copied_by_a_button(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    let permissions = json!(["clipboardReadWrite", "clipboardSanitizedWrite"]);
    user.context_cdp("Browser.grantPermissions", json!({ "permissions": permissions }));
    let ticket = user.ask("the printer");
    user.click("#copy-ticket");
    user.until_text("#copy-ticket", "Copied");
    user.until(&format!("navigator.clipboard.readText().then(text => text == '{ticket}')"));
}

fn a_name_is_shown_and_none_is_needed(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    let user = stage.user();
    user.fill("#name", "Zoë Müller");
    let ticket = user.ask("the printer");
    console.until_text(&format!("#tickets [data-ticket='{ticket}']"), "Zoë Müller");
    let nameless = stage.user();
    let ticket = nameless.ask("the lamp");
    console.until_text(&format!("#tickets [data-ticket='{ticket}']"), "user-");
}

fn the_board_shows_what_waits_is_mine_is_taken_and_is_paused(source: Source) {
    let stage = Stage::with(source, &["--max-chats", "2"]);
    let mut users = ["ann", "bob", "cat", "dan"].map(|name| stage.desk.user(name));
    let [waiting, mine, taken, paused] = users.each_mut().map(|user| user.create("the printer"));
    let (mut kim, mut lee) = (stage.desk.staff("kim").online(), stage.desk.staff("lee").online());
    kim.pick(&taken);
    lee.pick(&paused);
    lee.cut();
    let console = stage.console("sam");
    console.until_ticket(&paused, "paused");
    console.until_text("#oldest-waiting", "3 waiting, the oldest for 1 minute");
    console.until_text("#colleagues", "kim");
    console.check("document.querySelector('#tickets [data-pick]').disabled"); // offline sees, and cannot pick
    console.go_online();
    console.pick(&mine);
    for (ticket, state, words) in
        [(&waiting, "waiting", "Waiting"), (&taken, "taken", "kim"), (&paused, "paused", "lee")]
    {
        console.until_ticket(ticket, state);
        console.until_text(&format!("#tickets [data-ticket='{ticket}']"), words);
    }
    let states = console.eval("[...document.querySelectorAll('#tickets li')].map(e => e.dataset.state)");
    assert_eq!(states, json!(["waiting", "paused", "taken"]), "what can be picked comes first");
    console.click("#filter-mine");
    console.until_ticket(&mine, "mine");
    console.until_text(&format!("#tickets [data-ticket='{mine}']"), "Yours");
    console.click("#filter-mine");
    console.pick(&paused); // a colleague's, who was cut off
    console.until_there(&format!("#tickets [data-ticket='{waiting}'][data-pickable=full]"));
    console.until_text("#pick-note", "2 of 2");
    let look = |ticket: &str| {
        let row = format!("document.querySelector(\"#tickets [data-ticket='{ticket}'] .row\")");
        console.eval(&format!("(s => [s.borderTopWidth, s.borderInlineEndWidth, s.borderEndEndRadius])(getComputedStyle({row}, '::before'))"))
    };
    let seen = [&waiting, &taken].map(|ticket| look(ticket));
    console.click("#filter-mine");
    console.until_ticket(&mine, "mine");
    let mine = look(&mine);
    assert!(seen[0] != seen[1] && !seen.contains(&mine), "each state has a mark of its own shape");
}

fn unread_messages_are_counted_until_they_are_read(source: Source) {
    let stage = Stage::new(source);
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let [ann, bob] = users.each_mut().map(|user| user.create("the printer"));
    let console = stage.console("sam");
    console.go_online();
    console.pick(&ann);
    console.pick(&bob);
    let unread = format!("#chat-list [data-chat='{ann}'] [data-unread]");
    users[1].say(1, "seen at once");
    console.until_received("seen at once");
    for n in 1..=3 {
        users[0].say(n, &format!("unread {n}"));
        console.until(&format!("document.querySelector(\"{unread}\").textContent == '{n}'"));
    }
    users[0].nothing_of(&["delivered"]);
    console.click(&format!("#chat-list [data-chat='{ann}'] button"));
    console.until_received("unread 3");
    console.until_gone(&unread);
    users[0].expect_where("delivered", "all three", |frame| frame["seq"] == 3);
}

fn a_transfer_takes_its_note_along(source: Source) {
    let stage = Stage::new(source);
    let mut user = stage.desk.user("ann");
    let ticket = user.create("the printer");
    let [sam, kim] = ["sam", "kim"].map(|name| {
        let console = stage.console(name);
        console.go_online();
        console
    });
    sam.pick(&ticket);
    sam.until_there("#colleagues [data-colleague=kim]");
    sam.click("#transfer");
    sam.fill("#transfer-note", "she has tried turning it off");
    sam.click("#transfer-send");
    kim.until_shown(&ticket);
    kim.until_text("li.system[data-kind=note]", "she has tried turning it off");
    kim.until_text("li.system[data-kind=note]", "sam");
    sam.until_gone("#chat");
    sam.until_ticket(&ticket, "taken");
    user.say(1, "still broken");
    kim.until_received("still broken");
    assert!(!sam.is_there("[data-unread]"));
}

fn the_search_finds_by_subject_user_and_ticket(source: Source) {
    let stage = Stage::new(source);
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let [first, second] = users.each_mut().map(|user| {
        let subject = format!("the {} of the house", if user.name == "ann" { "Printer" } else { "Lamp" });
        user.create(&subject)
    });
    let console = stage.console("sam");
    for (wanted, found) in
        [("printer", &first), ("bob", &second), (first.as_str(), &first), (&second.to_lowercase(), &second)]
    {
        console.fill("#search", wanted);
        console.until("document.querySelectorAll('#tickets li').length == 1");
        console.until_ticket(found, "waiting");
    }
    console.fill("#search", "nothing like it");
    console.until_text("#board-empty", "No ticket matches");
    console.fill("#search", "");
    console.until("document.querySelectorAll('#tickets li').length == 2");
}

fn ready_replies_are_kept_in_the_browser(source: Source) {
    let stage = Stage::new(source);
    let mut user = stage.desk.user("ann");
    let ticket = user.create("the printer");
    let console = stage.console("sam");
    console.go_online();
    console.pick(&ticket);
    console.type_keys("/");
    console.until_there("#canned");
    console.fill("#canned-new", "Have you tried turning it off?");
    console.click("#canned-add");
    let count = console.count("[data-canned]");
    console.click("#canned-list li:first-child [data-canned-remove]");
    console.until(&format!("document.querySelectorAll('[data-canned]').length == {}", count - 1));
    console.key("Escape");
    console.reload();
    console.until_connected();
    console.until_locked("repick"); // it comes back online, and picks nothing
    console.click("#pick-again");
    console.until_shown(&ticket);
    console.click("#open-canned");
    console.fill("#canned-filter", "turning");
    console.until("document.querySelectorAll('[data-canned]').length == 1");
    console.click("[data-canned]");
    console.check("document.activeElement.id == 'text'");
    console.key("Enter");
    assert_eq!(user.expect("message")["text"], "Have you tried turning it off?");
}

fn typing_is_seen_on_the_other_side_and_ends(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    let name = user.id();
    for (page, other, who) in [(&*user, &*console, name.as_str()), (&*console, &*user, "sam")] {
        page.click("#text");
        page.type_keys("h");
        other.until_text("#typing", who);
        page.key("Backspace");
        other.until("!document.querySelector('#typing').textContent");
        page.type_keys("hello");
        other.until_text("#typing", who);
        page.key("Enter");
        other.until_received("hello");
        other.until("!document.querySelector('#typing').textContent");
    }
}
