//! Accessibility: structure, names, what is announced and how often.

use serde_json::{Value, json};

use crate::page::Page;
use crate::setup::{BOTH, Console, Kind, Source, Stage, UserPage, chat, sign_in, stories};
use crate::support::TOKEN;

stories![
    each_view_has_a_language_a_title_one_h1_and_a_main,
    the_log_is_named_and_only_appended_to,
    history_is_not_announced_again,
    changes_of_the_connection_are_announced_once_each,
    errors_are_announced_and_tied_to_their_field,
    every_control_has_a_name,
    each_message_shows_its_sender_and_time,
    days_are_separated_by_date,
    every_state_says_in_words_what_it_is,
];

fn each_view_has_a_language_a_title_one_h1_and_a_main(source: Source) {
    let stage = Stage::new(source);
    let has = |page: &Page| {
        page.check("['en', 'de', 'fr'].includes(document.documentElement.lang)");
        page.check("document.title.length > 3");
        for one in ["h1", "main"] {
            let shown = format!(
                "[...document.querySelectorAll('{one}')].filter(e => e.checkVisibility()).length == 1"
            );
            page.check(&shown);
        }
        page.check("document.querySelector('main h2').closest('main')"); // what is read next
    };
    for kind in BOTH {
        has(&stage.page(kind).open());
    }
    let (user, console, _) = chat(&stage);
    has(&user);
    has(&console);
}

/// Watches the log: every change, and whether it was announced. Runs before the page's own scripts.
const WATCH_LOG: &str = "
    window.seen = [];
    new MutationObserver(changes => {
        for (const { target, addedNodes, removedNodes } of changes) {
            const log = target.parentElement;
            if (log?.id == 'log') seen.push({ added: addedNodes.length, removed: removedNodes.length, live: log.ariaLive });
        }
    }).observe(document, { childList: true, subtree: true });";

fn the_log_is_named_and_only_appended_to(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for page in [&*user, &*console] {
        page.check("document.querySelector('#log').role == 'log'");
        page.check("document.querySelector('#log').getAttribute('aria-label').length > 3");
        page.eval("window.changes = [], new MutationObserver(all => changes.push(...all)).observe(document.querySelector('#log ol'), { childList: true }), 0");
    }
    user.say("one");
    console.until_received("one");
    console.say("two");
    user.until_received("two");
    user.say("three");
    user.until_said("three", "delivered");
    user.until_said("one", "delivered");
    for page in [&*user, &*console] {
        page.until("changes.length >= 3");
        page.check("changes.every(({ removedNodes, nextSibling }) => !removedNodes.length && !nextSibling)");
    }
}

fn history_is_not_announced_again(source: Source) {
    let stage = Stage::new(source);
    let console = stage.page(Kind::Staff).before(WATCH_LOG).console("sam");
    console.go_online();
    let user = stage.page(Kind::User).before(WATCH_LOG).user();
    let ticket = user.ask("the printer");
    console.pick(&ticket);
    user.until_unlocked();
    user.say("said before");
    console.until_received("said before");
    console.say("so was this");
    user.until_received("so was this");
    console.until_said("so was this", "delivered");

    user.reload();
    user.until_unlocked();
    assert_eq!(user.messages(), ["said before", "so was this"]);
    user.check("seen.length > 0 && seen.every(change => change.live == 'off')");
    user.until("document.querySelector('#log').getAttribute('aria-live') == 'polite'");
    user.eval("seen.length = 0");
    console.say("but this is new");
    user.until_received("but this is new");
    user.check("seen.length > 0 && seen.every(change => change.live == 'polite')");

    // The console shows a history each time that another chat is chosen.
    let mut bob = stage.desk.user("bob");
    let other = bob.create("the door");
    console.pick(&other);
    console.until("document.querySelector('#log').getAttribute('aria-live') == 'polite'");
    console.eval("seen.length = 0");
    console.click(&format!("#chat-list [data-chat='{ticket}'] button"));
    console.until_received("said before");
    console.check("seen.some(change => change.added) && seen.every(change => change.live == 'off')");
}

fn changes_of_the_connection_are_announced_once_each(source: Source) {
    let stage = Stage::new(source);
    for kind in BOTH {
        let proxy = stage.proxy();
        // Faster than it is, so that three tries do not take ten seconds.
        let page = stage.page(kind).by(&proxy).faster(4).open();
        if kind == Kind::Staff {
            sign_in(&page, "sam", TOKEN);
        }
        page.until_connected();
        page.check("document.querySelector('#status').role == 'status'");
        page.check("document.querySelector('#notice').role == 'alert'");
        let watch = "window.announced = [], new MutationObserver(all => announced.push(...all.flatMap(({ addedNodes }) => [...addedNodes].map(node => node.textContent)))) \
            .observe(document.querySelector('#status'), { childList: true, characterData: true, subtree: true }), 0";
        page.eval(watch);
        let calls = proxy.calls();
        proxy.disconnect();
        page.until_there("#status[data-connection=retrying]");
        while proxy.calls() < calls + 3 {
            page.next_frame(); // it tries again and again, and says it once
        }
        proxy.restore();
        page.until_connected();
        page.next_frame();
        assert_eq!(page.eval("announced"), json!(["Connecting…", "Connected"]));
    }
}

/// Asserts that the field is marked invalid and described by an element that is announced and not empty.
fn says_why(page: &Page, field: &str) {
    page.until(&format!("document.querySelector('#{field}').getAttribute('aria-invalid') == 'true'"));
    let why = format!(
        "document.querySelector('#{field}').getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id)) \
            .find(e => e.role == 'alert' && e.textContent.length > 5 && e.checkVisibility())"
    );
    page.check(&why);
}

fn errors_are_announced_and_tied_to_their_field(source: Source) {
    let stage = Stage::new(source);
    let console = Console::from(stage.page(Kind::Staff).open());
    console.click("#sign-in");
    says_why(&console, "staff-id");
    says_why(&console, "token");
    console.check("document.activeElement.id == 'staff-id'");
    sign_in(&console, "sam", "wrong");
    says_why(&console, "token");
    drop(console);

    let user = stage.user();
    user.click("#create");
    says_why(&user, "subject");
    user.check("document.activeElement.id == 'subject'");
    user.fill("#subject", &"x".repeat(201));
    user.key("Enter");
    says_why(&user, "subject");
    drop(user);

    let (user, console, _) = chat(&stage);
    for page in [&*user, &*console] {
        page.fill("#text", &"x".repeat(4001));
        says_why(page, "text");
    }
    let _kim = stage.desk.staff("kim").online();
    console.until_there("#colleagues [data-colleague=kim]");
    console.click("#transfer");
    console.fill("#transfer-note", &"x".repeat(501));
    console.click("#transfer-send");
    says_why(&console, "transfer-note");
}

/// Returns the name of a control as the browser gives it to a screen reader.
fn nameless(page: &Page) -> Vec<String> {
    let tree = page.cdp("Accessibility.getFullAXTree", json!({}));
    let roles = [
        "button",
        "textbox",
        "searchbox",
        "combobox",
        "checkbox",
        "switch",
        "link",
        "listbox",
        "dialog",
        "log",
        "region",
        "navigation",
    ];
    let nodes = tree["nodes"].as_array().expect("nodes").iter().filter(|node| node["ignored"] != true);
    let named = |node: &Value| !node["name"]["value"].as_str().unwrap_or("").trim().is_empty();
    let controls: Vec<_> =
        nodes.filter(|node| roles.iter().any(|role| node["role"]["value"] == *role)).collect();
    assert!(controls.len() > 1, "the tree was read");
    controls.into_iter().filter(|node| !named(node)).map(|node| node["role"].to_string()).collect()
}

fn every_control_has_a_name(source: Source) {
    let stage = Stage::new(source);
    let none: [String; 0] = [];
    for kind in BOTH {
        let page = stage.page(kind).open();
        assert_eq!(nameless(&page), none);
        page.click("#open-settings");
        assert_eq!(nameless(&page), none, "settings");
    }
    let (user, console, _) = chat(&stage);
    user.say("hello");
    console.until_received("hello");
    assert_eq!(nameless(&user), none, "chat");
    assert_eq!(nameless(&console), none, "chat");
    for dialog in ["transfer", "open-canned", "open-help", "close-ticket"] {
        console.click(&format!("#{dialog}"));
        assert_eq!(nameless(&console), none, "{dialog}");
        console.key("Escape");
    }
}

fn each_message_shows_its_sender_and_time(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    user.say("from the user");
    console.until_received("from the user"); // a page shows its own at once: who spoke first has to be settled
    console.say("from the staff");
    console.until_said("from the staff", "delivered");
    user.until_said("from the user", "delivered");
    let who = |page: &Page| page.texts("li.message .who");
    assert_eq!(who(&user), ["You", "sam"]);
    assert_eq!(who(&console), [user.id(), "You".to_owned()]);
    for page in [&*user, &*console] {
        page.check("[...document.querySelectorAll('#log li:not(.day)')].every(e => Math.abs(new Date(e.querySelector('time').dateTime) - Date.now()) < 600_000)");
        page.check("[...document.querySelectorAll('li.message time')].every(e => /\\d\\d:\\d\\d/.test(e.textContent))");
        // In words, not only by a tick: point 31.
        page.check("document.querySelector('[data-state=delivered] .state').textContent == 'Delivered'");
    }
}

fn days_are_separated_by_date(source: Source) {
    let stage = Stage::new(source);
    let (user, _console, _) = chat(&stage);
    user.say("yesterday");
    user.until_said("yesterday", "delivered");
    assert_eq!(user.count("#log li.day"), 1);
    // As if the tab had been open overnight.
    let age = "{ for (const entry of chat.entries) { entry.at -= 86_400_000; touch(entry); } \
        keepAll(); store.tab.set = () => {}; }";
    user.eval(age);
    user.reload();
    user.until_unlocked();
    user.say("today");
    user.until_said("today", "delivered");
    let days: Vec<String> = serde_json::from_value(
        user.eval("[...document.querySelectorAll('#log li.day time')].map(e => e.dateTime.slice(0, 10))"),
    )
    .unwrap();
    assert_eq!(days.len(), 2);
    assert_ne!(days[0], days[1]);
    user.check("document.querySelector('#log li:first-child').matches('.day')");
    let order: Vec<String> = user.texts("#log li.day, #log li.message .text");
    assert_eq!(order[1], "yesterday");
    assert_eq!(order[3], "today");
}

fn every_state_says_in_words_what_it_is(source: Source) {
    let stage = Stage::new(source);
    // Nobody has answered yet.
    let proxy = stage.proxy();
    let loading = stage.page(Kind::User).by(&proxy);
    if source == Source::Disk {
        proxy.disconnect();
        let loading = loading.open();
        loading.until_there("#notice[data-reason=lost]");
        assert_eq!(loading.text("#status"), "Connecting…");
        proxy.restore();
        loading.until_connected();
        assert_eq!(loading.text("#status"), "Connected");
    }
    let console = stage.console("sam");
    for (empty, words) in [
        ("#board-empty", "No open tickets"),
        ("#chats-empty", "appear here"),
        ("#conversation-empty", "Pick a ticket"),
        ("#colleagues-empty", "Nobody else"),
        ("#pick-note", "offline"),
        ("#oldest-waiting", "Nobody is waiting"),
    ] {
        console.until_there(empty);
        console.until_text(empty, words);
    }
    let user: UserPage = stage.user();
    user.until_text("#desk-state", "Nobody is online");
    console.go_online();
    user.until_text("#desk-state", "Somebody is here");
    let ticket = user.ask("the printer");
    user.until_text("#queue-place", "You are next");
    console.pick(&ticket);
    user.until_unlocked();
    user.click("#close-ticket");
    user.click("#confirm-yes");
    for page in [&*user, &*console] {
        page.until("document.querySelector('#log li:last-child').dataset.kind == 'closed'");
    }
    user.until_there("#new-ticket");
    user.until_there("#save-transcript");
    console.until_there("#dismiss");
    console.click("#dismiss");
    console.until_there("#conversation-empty");
}
