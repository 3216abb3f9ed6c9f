//! For those who do not see the page, or do not use a mouse: structure, names, what is announced and how often.

use serde_json::{Value, json};

use crate::page::Page;
use crate::scene::{BOTH, Console, Kind, Source, Stage, Visitor, chat, sign_in, stories};
use crate::support::TOKEN;

stories![
    each_view_has_a_language_a_title_one_h1_and_a_main,
    the_log_is_named_and_only_appended_to,
    history_is_not_announced_again,
    changes_of_the_connection_are_told_once_each,
    errors_are_announced_and_tied_to_their_field,
    every_control_has_a_name,
    each_message_tells_its_sender_and_time,
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
    let (visitor, console, _) = chat(&stage);
    has(&visitor);
    has(&console);
}

/// Watches the log from before the page's own scripts: every change, and whether it was announced.
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
    let (visitor, console, _) = chat(&stage);
    for page in [&*visitor, &*console] {
        page.check("document.querySelector('#log').role == 'log'");
        page.check("document.querySelector('#log').getAttribute('aria-label').length > 3");
        page.eval("window.changes = [], new MutationObserver(all => changes.push(...all)).observe(document.querySelector('#log ol'), { childList: true }), 0");
    }
    visitor.say("one");
    console.until_heard("one");
    console.say("two");
    visitor.until_heard("two");
    visitor.say("three");
    visitor.until_said("three", "delivered");
    visitor.until_said("one", "delivered");
    for page in [&*visitor, &*console] {
        page.until("changes.length >= 3");
        page.check("changes.every(({ removedNodes, nextSibling }) => !removedNodes.length && !nextSibling)");
    }
}

fn history_is_not_announced_again(source: Source) {
    let stage = Stage::new(source);
    let console = stage.page(Kind::Staff).before(WATCH_LOG).console("sam");
    console.go_online();
    let visitor = stage.page(Kind::Visitor).before(WATCH_LOG).visitor();
    let ticket = visitor.ask("the printer");
    console.pick(&ticket);
    visitor.until_unlocked();
    visitor.say("said before");
    console.until_heard("said before");
    console.say("so was this");
    visitor.until_heard("so was this");
    console.until_said("so was this", "delivered");

    visitor.reload();
    visitor.until_unlocked();
    assert_eq!(visitor.messages(), ["said before", "so was this"]);
    visitor.check("seen.length > 0 && seen.every(change => change.live == 'off')");
    visitor.until("document.querySelector('#log').getAttribute('aria-live') == 'polite'");
    visitor.eval("seen.length = 0");
    console.say("but this is new");
    visitor.until_heard("but this is new");
    visitor.check("seen.length > 0 && seen.every(change => change.live == 'polite')");

    // The console shows a history each time that another chat is chosen.
    let mut bob = stage.desk.user("bob");
    let other = bob.create("the door");
    console.pick(&other);
    console.until("document.querySelector('#log').getAttribute('aria-live') == 'polite'");
    console.eval("seen.length = 0");
    console.click(&format!("#chat-list [data-chat='{ticket}'] button"));
    console.until_heard("said before");
    console.check("seen.some(change => change.added) && seen.every(change => change.live == 'off')");
}

fn changes_of_the_connection_are_told_once_each(source: Source) {
    let stage = Stage::new(source);
    for kind in BOTH {
        let line = stage.proxy();
        // Faster than it is, so that three tries do not take ten seconds.
        let page = stage.page(kind).by(&line).faster(4).open();
        if kind == Kind::Staff {
            sign_in(&page, "sam", TOKEN);
        }
        page.until_connected();
        page.check("document.querySelector('#status').role == 'status'");
        page.check("document.querySelector('#notice').role == 'alert'");
        let watch = "window.told = [], new MutationObserver(all => told.push(...all.flatMap(({ addedNodes }) => [...addedNodes].map(node => node.textContent)))) \
            .observe(document.querySelector('#status'), { childList: true, characterData: true, subtree: true }), 0";
        page.eval(watch);
        let calls = line.calls();
        line.cut();
        page.until_there("#status[data-connection=retrying]");
        while line.calls() < calls + 3 {
            page.next_frame(); // it tries again and again, and says it once
        }
        line.mend();
        page.until_connected();
        page.next_frame();
        assert_eq!(page.eval("told"), json!(["Connecting…", "Connected"]));
    }
}

/// The field is marked, and names an element that is announced and says why.
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

    let visitor = stage.visitor();
    visitor.click("#create");
    says_why(&visitor, "subject");
    visitor.check("document.activeElement.id == 'subject'");
    visitor.fill("#subject", &"x".repeat(201));
    visitor.key("Enter");
    says_why(&visitor, "subject");
    drop(visitor);

    let (visitor, console, _) = chat(&stage);
    for page in [&*visitor, &*console] {
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

/// As the browser tells it to a screen reader.
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
    let (visitor, console, _) = chat(&stage);
    visitor.say("hello");
    console.until_heard("hello");
    assert_eq!(nameless(&visitor), none, "chat");
    assert_eq!(nameless(&console), none, "chat");
    for dialog in ["transfer", "open-canned", "open-help", "close-ticket"] {
        console.click(&format!("#{dialog}"));
        assert_eq!(nameless(&console), none, "{dialog}");
        console.key("Escape");
    }
}

fn each_message_tells_its_sender_and_time(source: Source) {
    let stage = Stage::new(source);
    let (visitor, console, _) = chat(&stage);
    visitor.say("from the visitor");
    console.until_heard("from the visitor"); // a page shows its own at once: who spoke first has to be settled
    console.say("from the staff");
    console.until_said("from the staff", "delivered");
    visitor.until_said("from the visitor", "delivered");
    let who = |page: &Page| page.texts("li.message .who");
    assert_eq!(who(&visitor), ["You", "sam"]);
    assert_eq!(who(&console), [visitor.id(), "You".to_owned()]);
    for page in [&*visitor, &*console] {
        page.check("[...document.querySelectorAll('#log li:not(.day)')].every(e => Math.abs(new Date(e.querySelector('time').dateTime) - Date.now()) < 600_000)");
        page.check("[...document.querySelectorAll('li.message time')].every(e => /\\d\\d:\\d\\d/.test(e.textContent))");
        // In words, not only by a tick: point 31.
        page.check("document.querySelector('[data-state=delivered] .state').textContent == 'Delivered'");
    }
}

fn days_are_separated_by_date(source: Source) {
    let stage = Stage::new(source);
    let (visitor, _console, _) = chat(&stage);
    visitor.say("yesterday");
    visitor.until_said("yesterday", "delivered");
    assert_eq!(visitor.count("#log li.day"), 1);
    // As if the tab had been open overnight.
    let age = "{ const key = 'deskwire.chat@' + deskAddress, kept = JSON.parse(sessionStorage.getItem(key)); \
        for (const entry of kept.entries) entry.at -= 86_400_000; \
        store.tab.set = () => {}; sessionStorage.setItem(key, JSON.stringify(kept)); }";
    visitor.eval(age);
    visitor.reload();
    visitor.until_unlocked();
    visitor.say("today");
    visitor.until_said("today", "delivered");
    let days: Vec<String> = serde_json::from_value(
        visitor.eval("[...document.querySelectorAll('#log li.day time')].map(e => e.dateTime.slice(0, 10))"),
    )
    .unwrap();
    assert_eq!(days.len(), 2);
    assert_ne!(days[0], days[1]);
    visitor.check("document.querySelector('#log li:first-child').matches('.day')");
    let order: Vec<String> = visitor.texts("#log li.day, #log li.message .text");
    assert_eq!(order[1], "yesterday");
    assert_eq!(order[3], "today");
}

fn every_state_says_in_words_what_it_is(source: Source) {
    let stage = Stage::new(source);
    // Nobody has answered yet.
    let line = stage.proxy();
    let loading = stage.page(Kind::Visitor).by(&line);
    if source == Source::Disk {
        line.cut();
        let loading = loading.open();
        loading.until_there("#notice[data-reason=lost]");
        assert_eq!(loading.text("#status"), "Connecting…");
        line.mend();
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
    let visitor: Visitor = stage.visitor();
    visitor.until_text("#desk-state", "Nobody is online");
    console.go_online();
    visitor.until_text("#desk-state", "Somebody is here");
    let ticket = visitor.ask("the printer");
    visitor.until_text("#queue-place", "You are next");
    console.pick(&ticket);
    visitor.until_unlocked();
    visitor.click("#close-ticket");
    visitor.click("#confirm-yes");
    for page in [&*visitor, &*console] {
        page.until("document.querySelector('#log li:last-child').dataset.kind == 'closed'");
    }
    visitor.until_there("#new-ticket");
    visitor.until_there("#save-transcript");
    console.until_there("#dismiss");
    console.click("#dismiss");
    console.until_there("#conversation-empty");
}
