//! Screens, texts and storage at their limits.

use serde_json::json;

use crate::layout::{OUTSIDE, SIDEWAYS, fits};
use crate::page::Page;
use crate::setup::{Console, Kind, Source, Stage, chat, chat_with_staff, stories};

stories![
    enlarged_the_users_page_is_in_reach,
    enlarged_the_console_is_in_reach,
    with_more_room_between_letters_and_lines_nothing_is_cut,
    who_has_no_name_that_can_be_seen_is_called_by_the_id,
    four_thousand_emoji_are_sent_and_read,
    a_page_whose_storage_is_blocked_works_as_long_as_it_is_open,
    a_page_whose_storage_is_full_loses_nothing_that_is_on_the_screen,
];

/// Lists controls that cannot be brought into view whole by scrolling up and down, with what is wrong. Behind a dialog
/// there is nothing to reach.
const OUT_OF_REACH: &str = "(() => {
    const dialog = document.querySelector('dialog[open], :popover-open');
    const controls = [...(dialog ?? document).querySelectorAll('button, input, textarea, select')].filter(e => e.checkVisibility());
    const wrong = e => {
        e.scrollIntoView({ block: 'nearest' });
        const { left, top, right, bottom } = e.getBoundingClientRect();
        const isBeyond = box => left < box.left - 0.5 || top < box.top - 0.5 || right > box.right + 0.5 || bottom > box.bottom + 0.5;
        if (isBeyond({ left: 0, top: 0, right: innerWidth, bottom: innerHeight })) return 'out of the screen';
        for (let around = e.parentElement; around; around = around.parentElement) {
            const style = getComputedStyle(around);
            if (around.scrollLeft) return 'reached sideways';
            if (around.scrollTop && ['hidden', 'clip'].includes(style.overflowY)) return 'cut off'; // only a script scrolls that
            if (style.overflowY != 'visible' && isBeyond(around.getBoundingClientRect())) return 'cut off';
            if (style.position == 'fixed') break;
        }
        const middle = (top + bottom) / 2;
        const hits = [left + 3, (left + right) / 2, right - 3].map(x => document.elementFromPoint(x, middle));
        if (hits.some(hit => !(e.closest('label') ?? e).contains(hit))) return 'covered';
        return e.matches('button') && e.scrollWidth > e.clientWidth + 1 ? 'too narrow for its text' : null;
    };
    return controls.map(e => [e.id || e.textContent, wrong(e)]).filter(([, what]) => what);
})()";

/// 1280 x 800 at 200 %, a phone of 320 px, and 1280 x 1024 at 400 % (WCAG 1.4.10): width, height, scale.
const ENLARGED: [(u32, u32, u32); 3] = [(640, 400, 2), (320, 568, 1), (320, 256, 4)];

fn enlarge(page: &Page, (width, height, scale): (u32, u32, u32)) {
    let screen = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
    page.cdp("Emulation.setDeviceMetricsOverride", screen);
    page.next_frame();
}

/// Asserts that nothing has to be scrolled sideways, and that no control is cut off.
#[track_caller]
fn all_is_in_reach(page: &Page, state: &str) {
    for screen in ENLARGED {
        enlarge(page, screen);
        assert_eq!(page.eval(OUT_OF_REACH), json!([]), "{screen:?}: {state}");
        assert_eq!(page.eval(SIDEWAYS), json!([]), "scrolls sideways at {screen:?}: {state}");
        assert_eq!(page.eval(OUTSIDE), json!([]), "outside of the screen at {screen:?}: {state}");
    }
}

fn enlarged_the_users_page_is_in_reach(source: Source) {
    let stage = Stage::new(source);
    let asking = stage.user();
    all_is_in_reach(&asking, "asking");
    asking.key("Enter");
    asking.until_there("#subject-error");
    all_is_in_reach(&asking, "an empty subject");
    let (user, console, _) = chat(&stage);
    user.say("hello");
    console.until_received("hello");
    all_is_in_reach(&user, "chat");
    user.check("document.querySelector('#log').clientHeight >= 48"); // there is room to read
    for dialog in ["open-settings", "close-ticket"] {
        user.click(&format!("#{dialog}"));
        all_is_in_reach(&user, dialog);
        user.key("Escape");
    }
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");
    all_is_in_reach(&user, "closed");
}

fn enlarged_the_console_is_in_reach(source: Source) {
    let stage = Stage::new(source);
    let outside = Console::from(stage.page(Kind::Staff).open());
    all_is_in_reach(&outside, "sign-in");
    let (user, console, _) = chat(&stage);
    user.say("hello");
    console.until_received("hello");
    let mut ann = stage.desk.user("ann");
    let waiting = ann.create("the lamp");
    console.until_ticket(&waiting, "waiting");
    let _kim = stage.desk.staff("kim").online();
    console.until_there("[data-colleague=kim]");
    all_is_in_reach(&console, "chat");
    console.check("document.querySelector('#log').clientHeight >= 48");
    for dialog in ["transfer", "open-canned", "open-help", "open-settings", "close-ticket"] {
        console.resize(1280, 800);
        console.click(&format!("#{dialog}"));
        all_is_in_reach(&console, dialog);
        console.key("Escape");
    }
    console.click("#more");
    console.until_there("#release");
    assert_eq!(console.eval(OUT_OF_REACH), json!([]), "the actions of a chat");
    console.key("Escape");
    console.click("#back");
    all_is_in_reach(&console, "chats");
    console.click("#show-board");
    all_is_in_reach(&console, "board");
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
