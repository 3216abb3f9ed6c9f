//! The conversation as it is read: groups, what is unread, system lines, the first line, and what is read out.

use crate::page::{Page, quoted};
use crate::setup::{Kind, Source, Stage, chat, chat_with_staff, row, stories};

stories![
    messages_of_one_sender_within_three_minutes_are_one_group,
    what_is_unread_is_behind_a_divider,
    system_lines_that_follow_each_other_are_one,
    a_line_is_never_too_long_and_a_typing_notice_moves_nothing,
    what_was_asked_is_the_first_line_and_the_first_in_the_queue_reads_so,
    whoever_waits_can_write_as_soon_as_somebody_joins,
    a_long_subject_can_be_read_to_its_end_in_the_chat,
    the_end_of_a_chat_is_seen_by_who_has_scrolled_up,
    the_state_of_a_message_is_not_read_out,
    news_is_read_out_politely_and_not_too_often,
];

/// Whether the name above a message is seen.
fn names_sender(text: &str, from: &str) -> String {
    format!("!getComputedStyle({}.querySelector('.who')).clipPath.includes('inset')", row(text, from))
}

fn messages_of_one_sender_within_three_minutes_are_one_group(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for text in ["one", "two", "three"] {
        user.say(text);
        user.until_said(text, "delivered");
    }
    console.say("four");
    user.until_received("four");
    console.say("five");
    user.until_received("five");
    for (page, [first, next]) in [(&*user, ["me", "them"]), (&*console, ["them", "me"])] {
        for (text, from, isfirst) in [
            ("one", first, true),
            ("two", first, false),
            ("three", first, false),
            ("four", next, true),
            ("five", next, false),
        ] {
            assert_eq!(page.is(&names_sender(text, from)), isfirst, "{text}");
            // All of it is there to be read out, the sender first.
            page.check(&format!("/^\\S.*\\d\\d:\\d\\d.*{text}/.test({}.textContent)", row(text, from)));
        }
        let time =
            format!("getComputedStyle({}.querySelector('.meta')).clipPath == 'none'", row("three", first));
        page.check(&format!("!({time})"));
        page.hover(&row("three", first));
        page.until(&time);
        page.hover("document.querySelector('#text')");
        page.until(&format!("!({time})"));
        page.key("Shift+Tab");
        page.eval("document.querySelector('#log').focus()");
        page.until(&time);
    }
    // The first was said four minutes ago.
    user.eval(
        "{ const one = chat.entries.find(entry => entry.text == 'one'); one.at -= 240_000; touch(one); \
        keepAll(); store.tab.set = () => {}; }",
    );
    user.reload();
    user.until_unlocked();
    user.check(&names_sender("two", "me"));
    user.check(&format!("!({})", names_sender("three", "me")));
}

impl Page {
    /// Moves the mouse over the middle of an element.
    fn hover(&self, element: &str) {
        let middle = format!(
            "(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])({element}.getBoundingClientRect())"
        );
        let at = self.eval(&middle);
        self.cdp(
            "Input.dispatchMouseEvent",
            serde_json::json!({ "type": "mouseMoved", "x": at[0], "y": at[1] }),
        );
    }
}

/// Returns an expression for the message behind the only divider that is seen.
const FIRST_UNREAD: &str = "(all => all.length == 1 && all[0].nextElementSibling.querySelector('.text').textContent)\
    ([...document.querySelectorAll('#log .unread')].filter(e => e.checkVisibility()))";

fn what_is_unread_is_behind_a_divider(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    user.say("seen");
    user.until_said("seen", "delivered");
    console.say("seen too");
    console.until_said("seen too", "delivered");
    for page in [&*user, &*console] {
        assert_eq!(page.count("#log .unread"), 0);
    }
    // On a page that is hidden, twice.
    for round in 1..=2 {
        let tab = user.hide();
        for text in ["first", "second"] {
            console.say(&format!("{text} {round}"));
            user.until_received(&format!("{text} {round}"));
        }
        user.show_again(&tab);
        user.until(&format!("{FIRST_UNREAD} == 'first {round}'"));
        console.until_said(&format!("second {round}"), "delivered");
    }
    // In a chat that is not the one on the screen.
    let mut bob = stage.desk.user("bob");
    let other = bob.create("the door");
    console.pick(&other);
    user.say("not seen");
    user.say(&"one of many lines\n".repeat(60));
    console.until_text("[data-unread]", "2");
    console.click(&format!("#chat-list [data-chat='{ticket}'] button"));
    console.until(&format!("{FIRST_UNREAD} == 'not seen'"));
    // It is read from there on, not from its end.
    console.next_frame();
    let is_in_view = "(([divider, log]) => divider.top > log.top - 1 && divider.bottom < log.bottom)(['#log .unread', '#log'].map(css => document.querySelector(css).getBoundingClientRect()))";
    console.check(is_in_view);
}

/// Returns the kinds of the system lines that are seen.
const SEEN_LINES: &str = "[...document.querySelectorAll('#log .system')].filter(e => e.checkVisibility()).map(e => e.dataset.kind).join()";

fn system_lines_that_follow_each_other_are_one(source: Source) {
    let stage = Stage::new(source);
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User));
    assert_eq!(user.lines(), ["created", "joined"]);
    user.check(&format!("{SEEN_LINES} == 'joined'"));
    user.say("hello");
    sam.go_offline();
    sam.go_online();
    sam.pick(&ticket);
    user.until(&format!("{SEEN_LINES} == 'joined,reconnected'"));
    let last = "#log li:last-child button";
    assert_eq!(user.text(last), "2 earlier lines");
    user.click(last);
    user.until(&format!("{SEEN_LINES} == 'joined,offline,online,reconnected'"));
    user.check(&format!("document.querySelector('{last}').getAttribute('aria-expanded') == 'true'"));
    user.click(last);
    user.until(&format!("{SEEN_LINES} == 'joined,reconnected'"));
    // A note is somebody's words, and not folded away.
    let kim = stage.console("kim");
    kim.go_online();
    sam.transfer(&ticket, "kim", "she has tried it twice");
    kim.until_there(".system[data-kind=note]");
    kim.say("hello");
    kim.until_there(".system[data-kind=transferred]");
}

fn a_line_is_never_too_long_and_a_typing_notice_moves_nothing(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        page.resize(1920, 1080);
        page.next_frame();
        for part in ["#log ol", "#text"] {
            page.check(&format!("document.querySelector('{part}').getBoundingClientRect().width <= 48 * 16"));
        }
        let places = "JSON.stringify(['#log', '#composer', '#text'].map(css => document.querySelector(css).getBoundingClientRect()))";
        let before = page.eval(places);
        other.fill("#text", "a word");
        page.until_text("#typing", "typing");
        assert_eq!(page.eval(places), before);
        other.fill("#text", "");
        page.until("!document.querySelector('#typing').textContent");
        assert_eq!(page.eval(places), before);
    }
}

fn what_was_asked_is_the_first_line_and_the_first_in_the_queue_reads_so(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    user.check("document.activeElement.id == 'subject'"); // the start has the focus
    user.ask("my lamp is dark");
    user.until_text("#queue-place", "Nobody is online yet. You are first.");
    user.check("!document.querySelector('#queue').textContent.includes('right now')");
    let first = "document.querySelector('#log li:not(.day)')";
    user.check(&format!("{first}.querySelector('.text').textContent == {}", quoted("my lamp is dark")));
    user.check(&format!("{first}.dataset.from == 'me'"));
    user.reload();
    user.until_text("#queue-place", "You are first.");
    user.check(&format!("{first}.querySelector('.text').textContent == {}", quoted("my lamp is dark")));
    assert_eq!(user.count(".asked"), 1);
    let _sam = stage.desk.staff("sam").online();
    user.until_text("#queue-place", "You are next");
}

fn whoever_waits_can_write_as_soon_as_somebody_joins(source: Source) {
    let stage = Stage::new(source);
    let mut sam = stage.desk.staff("sam").online();
    let user = stage.user();
    let ticket = user.ask("the printer");
    user.check("document.activeElement.id == 'log'");
    sam.pick(&ticket);
    user.until("document.activeElement.id == 'text'");
    // Not out of a dialog.
    user.click("#open-settings");
    sam.go_offline();
    user.until_locked("staff-offline");
    sam.go_online();
    sam.pick(&ticket);
    user.until_unlocked();
    user.check("document.activeElement.closest('#settings')");
}

fn a_long_subject_can_be_read_to_its_end_in_the_chat(source: Source) {
    let stage = Stage::new(source);
    let console = stage.page(Kind::Staff).size(360, 740).console("sam");
    console.go_online();
    let user = stage.page(Kind::User).size(360, 740).user();
    let subject = "a subject that is longer than its head ".repeat(5);
    let subject = subject.trim();
    let ticket = user.ask(subject);
    console.pick(&ticket);
    user.until_unlocked();
    for (page, whose) in [(&*user, "me"), (&*console, "them")] {
        page.check("(e => e.scrollHeight > e.clientHeight)(document.querySelector('#chat-subject'))"); // it is cut
        let first = "document.querySelector('#log li:not(.day)')";
        page.check(&format!("{first}.dataset.from == '{whose}'"));
        page.check(&format!("{first}.querySelector('.text').textContent == {}", quoted(subject)));
        page.check(&format!("(e => e.scrollHeight <= e.clientHeight + 1)({first}.querySelector('.text'))"));
    }
    // A reload keeps it, and so does another language.
    console.reload();
    console.until_connected();
    console.check(&format!("document.querySelector('#log .asked .text').textContent == {}", quoted(subject)));
    assert_eq!(console.count("#log .asked"), 1);
}

fn the_end_of_a_chat_is_seen_by_who_has_scrolled_up(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for page in [&*user, &*console] {
        (1..=3).for_each(|n| page.say(&format!("{n}{}", "\na long text".repeat(20))));
    }
    user.until("document.querySelectorAll('li.message[data-state=delivered]').length == 3");
    console.until("document.querySelectorAll('li.message[data-state=delivered]').length == 3");
    user.scroll_to_top();
    console.scroll_to_top();
    console.click("#close-ticket");
    console.click("#confirm-yes");
    let seen = |css: &str| {
        format!(
            "(({{ top, bottom, height }}) => height > 10 && top >= 0 && bottom <= innerHeight)(document.querySelector('{css}').getBoundingClientRect())"
        )
    };
    user.until(&seen("#ended"));
    user.check(&seen("#new-ticket"));
    console.until_locked("closed");
    console.check(&seen("#lock-reason"));
    assert_eq!(console.text("#lock-reason"), "This ticket is closed.");
}

/// Keeps every text that a live region would read out: that was added within one that is not off. A change of a text
/// replaces its node.
pub const LISTEN: &str = "
    window.heard = [];
    new MutationObserver(changes => {
        for (const { target, addedNodes } of changes) {
            for (const node of addedNodes) {
                const element = node.closest ? node : target;
                const live = element.closest?.('[aria-live]')?.ariaLive ?? (element.closest?.('[role=status], [role=alert]') ? 'polite' : 'off');
                if (live != 'off') heard.push(node.textContent);
            }
        }
    }).observe(document, { childList: true, subtree: true });";

fn the_state_of_a_message_is_not_read_out(source: Source) {
    let stage = Stage::new(source);
    let user = stage.page(Kind::User).before(LISTEN);
    let (user, mut sam, ticket) = chat_with_staff(&stage, user);
    user.until("document.querySelector('#log').getAttribute('aria-live') == 'polite'");
    user.say("hello");
    sam.expect("message");
    sam.delivered(&ticket, 1);
    user.until_said("hello", "delivered");
    sam.say(&ticket, 1, "good day");
    user.until_received("good day");
    user.until("heard.some(text => text.includes('good day') && text.includes('sam'))");
    user.check("!heard.some(text => /Sending|Sent|Delivered/.test(text))");
    assert_eq!(user.text("li.message[data-from=me] .state"), "Delivered"); // it is there to be read
}

fn news_is_read_out_politely_and_not_too_often(source: Source) {
    let stage = Stage::new(source);
    let mut first = stage.desk.user("first");
    first.create("before you");
    let user = stage.page(Kind::User).before(LISTEN).user();
    user.ask("the printer");
    user.until("heard.some(text => text == 'You are number 2')");
    first.close_ticket();
    user.until("heard.some(text => text == 'Nobody is online yet. You are first.')");

    let console = stage.page(Kind::Staff).before(LISTEN).console("sam");
    console.go_online();
    let mut users = ["ann", "bob", "cat"].map(|name| stage.desk.user(name));
    let tickets = users.each_mut().map(|user| user.create(&format!("from {}", user.name)));
    console.until("heard.some(text => text == 'New ticket: from cat')");
    // Of each thing the newest, and no more often than once in five seconds.
    console.eval("announceNews('board', 'one')");
    console.until("heard.includes('one')");
    console.eval(
        "window.begun = performance.now();
        announceNews('chat', 'sam joined.'), announceNews('board', 'two'), announceNews('board', 'three')",
    );
    console.until("heard.includes('sam joined.\\nthree')");
    console.check("performance.now() - begun > 4000 && !heard.some(text => text.includes('two'))");
    console.pick(&tickets[0]);
    console.pick(&tickets[1]);
    users[0].say(1, "hello?");
    console.until("heard.some(text => text == 'New message from ann')");
    console.check("document.querySelector('#news').role == 'status'");
}
