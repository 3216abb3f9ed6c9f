//! Screens, texts and storage at their limits.

use serde_json::json;

use crate::layout::fits;
use crate::page::Page;
use crate::setup::{Kind, Source, Stage, chat, chat_with_staff, stories};

stories![
    at_twice_the_size_everything_is_in_reach,
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
    // 1280 x 800 at 200 %, and a phone of 320 px.
    for (width, height, scale) in [(640, 400, 2), (320, 568, 1)] {
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
