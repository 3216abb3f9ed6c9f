//! Screens, texts and storage at their limits.

use serde_json::json;

use crate::layout::fits;
use crate::page::Page;
use crate::setup::{Kind, Source, Stage, chat, chat_with_staff, stories};

stories![
    at_twice_the_size_everything_is_in_reach,
    with_more_room_between_letters_and_lines_nothing_is_cut,
    who_has_no_name_that_can_be_seen_is_called_by_the_id,
    four_thousand_emoji_are_sent_and_read,
    a_page_whose_storage_is_blocked_works_as_long_as_it_is_open,
    a_page_whose_storage_is_full_loses_nothing_that_is_on_the_screen,
];

/// Lists controls that cannot be brought into view whole.
const OUT_OF_REACH: &str = "[...document.querySelectorAll('button, input, textarea, select')].filter(e => e.checkVisibility()).filter(e => {
    e.scrollIntoView({ block: 'nearest' });
    const { left, top, right, bottom } = e.getBoundingClientRect();
    return left < -0.5 || top < -0.5 || right > innerWidth + 0.5 || bottom > innerHeight + 0.5;
}).map(e => e.id || e.textContent)";

fn at_twice_the_size_everything_is_in_reach(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    user.say("hello");
    console.until_received("hello");
    let asking = stage.user();
    // 1280 x 800 at 200 %, a phone of 320 px, and 1280 x 1024 at 400 % (WCAG 1.4.10).
    for (width, height, scale) in [(640, 400, 2), (320, 568, 1), (320, 256, 4)] {
        for page in [&*user, &*console, &*asking] {
            let screen =
                json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
            page.cdp("Emulation.setDeviceMetricsOverride", screen);
            page.next_frame();
            assert_eq!(page.eval(OUT_OF_REACH), json!([]), "at {width} x {height}");
        }
        let is_read = "(log => log.clientHeight >= 48)(document.querySelector('#log'))";
        user.check(is_read);
        console.check(is_read);
    }
    console.click("#back");
    assert_eq!(console.eval(OUT_OF_REACH), json!([]), "the lists");
    console.click("#show-board");
    assert_eq!(console.eval(OUT_OF_REACH), json!([]), "the board");
}

/// What readers may set for themselves (WCAG 1.4.12).
const SPACING: &str = "(style => { style.replaceSync('* { line-height: 1.5 !important; letter-spacing: 0.12em !important; \
    word-spacing: 0.16em !important } p { margin-block-end: 2em !important }'); document.adoptedStyleSheets = [style]; })(new CSSStyleSheet())";

/// Lists texts that are cut off without a sign of it, and what is beside the screen.
const CUT: &str = "[...document.querySelectorAll('button, label, h2, p, .badge, .age, .who, .said')].filter(e => e.checkVisibility() && !e.closest('.unseen, .quiet')).filter(e => {
    const { overflowX, overflowY, textOverflow } = getComputedStyle(e);
    const isCut = (overflowX == 'hidden' && textOverflow != 'ellipsis' && e.scrollWidth > e.clientWidth + 1) || (overflowY == 'hidden' && e.scrollHeight > e.clientHeight + 2);
    const { left, right } = e.getBoundingClientRect();
    return isCut || left < -0.5 || right > innerWidth + 0.5;
}).map(e => e.id || e.className + ': ' + e.textContent)";

fn with_more_room_between_letters_and_lines_nothing_is_cut(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    user.say("hello, since this morning everything is green");
    console.until_received("hello, since this morning everything is green");
    let asking = stage.user();
    for page in [&*user, &*console, &*asking] {
        page.eval(SPACING);
        for (width, height) in [(1440, 900), (768, 1024), (360, 640)] {
            page.resize(width, height);
            page.next_frame();
            assert_eq!(page.eval(CUT), json!([]), "at {width}");
            page.check("document.documentElement.scrollWidth <= innerWidth");
            assert_eq!(page.eval(OUT_OF_REACH), json!([]), "at {width}");
        }
    }
}

/// Characters without a picture of their own: a space of no width, a filler of Hangul, a mark without a letter.
fn who_has_no_name_that_can_be_seen_is_called_by_the_id(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    for (n, unseen) in ["\u{200b}", "\u{3164}", " \u{2060} ", "\u{301}"].into_iter().enumerate() {
        let id = format!("user-{n}");
        let mut user = stage.desk.user(&id);
        user.send(&json!({ "type": "create_ticket", "subject": unseen, "name": unseen }));
        let ticket = user.expect("ticket_created")["ticket_id"].as_str().expect("an id").to_owned();
        let row = format!("#tickets [data-ticket='{ticket}']");
        console.until_text(&format!("{row} .subject"), &ticket);
        console.until_text(&format!("{row} bdi"), &id);
        console.pick(&ticket);
        console.until_text("#chat-user", &id);
        console.until_text("#chat-subject", &ticket);
    }
    // The user's own page takes no such question, and leaves out such a name.
    let user = stage.user();
    user.fill("#subject", "\u{200b}\u{3164}");
    user.key("Enter");
    user.until("document.querySelector('#subject-error').textContent");
    user.fill("#name", "\u{200b}");
    let ticket = user.ask("the printer");
    console.until_text(&format!("#tickets [data-ticket='{ticket}'] bdi"), &user.id());
}

fn four_thousand_emoji_are_sent_and_read(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    let text = "👍".repeat(4000);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        page.fill("#text", &text);
        assert_eq!(page.text("#text-error"), "");
        page.key("Enter");
        page.until(
            "[...document.querySelectorAll('li.message[data-from=me]')].at(-1).dataset.state == 'delivered'",
        );
        other.until(&format!(
            "[...document.querySelectorAll('li.message[data-from=them] .text')].at(-1).textContent == {}",
            json!(text)
        ));
        fits(other, "4000 emoji");
        other.resize(1280, 800);
    }
    let last = format!("#chat-list [data-chat='{ticket}'] .last-line");
    console.check(&format!("document.querySelector(\"{last}\").textContent.length < 1000"));
}

/// As a browser does it that keeps no data of sites.
const BLOCKED: &str = "for (const name of ['localStorage', 'sessionStorage']) {
    Object.defineProperty(window, name, { get() { throw new DOMException('blocked', 'SecurityError'); } });
}";

/// There is not a byte of room.
const FULL: &str =
    "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };";

fn talks(stage: &Stage, before: &str) {
    let (user, mut sam, ticket) = chat_with_staff(stage, stage.page(Kind::User).before(before));
    user.say("one");
    sam.expect("message");
    sam.say(&ticket, 1, "two");
    user.until_received("two");
    sam.expect("delivered");
    let mut ann = stage.desk.user("ann");
    let other = ann.create("the lamp");
    let console = stage.page(Kind::Staff).before(before).console("kim");
    console.go_online();
    console.pick(&other);
    console.say("three");
    assert_eq!(ann.expect("message")["text"], "three");
    ann.say(1, "four");
    console.until_received("four");
    has_reply(&console);
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");
    user.click("#new-ticket");
    user.ask("once more");
}

/// A reply that was added is there, for as long as the page is.
fn has_reply(console: &Page) {
    console.click("#open-canned");
    console.fill("#canned-new", "kept in mind");
    console.click("#canned-add");
    console.click("#canned-done");
    console.click("#open-canned");
    assert_eq!(console.texts("#canned-list [data-canned]").last().map(String::as_str), Some("kept in mind"));
    console.key("Escape");
}

fn a_page_whose_storage_is_blocked_works_as_long_as_it_is_open(source: Source) {
    talks(&Stage::new(source), BLOCKED);
}

fn a_page_whose_storage_is_full_loses_nothing_that_is_on_the_screen(source: Source) {
    talks(&Stage::new(source), FULL);
}
