//! Layout: small screens, long words, sizes of controls, contrast, forced colours.

use serde_json::json;

use crate::page::Page;
use crate::setup::{Console, Kind, Source, Stage, UserPage, chat, chat_by, stories};

stories![
    nothing_scrolls_sideways_on_small_screens_in_any_view,
    the_composer_is_in_view_with_a_phones_keyboard_open,
    long_words_wrap,
    targets_are_large_enough_and_larger_for_a_finger,
    fields_are_large_enough_not_to_zoom,
    the_two_sides_differ_by_more_than_colour,
    contrast_is_enough_in_light_and_dark,
    forced_colours_keep_everything_distinct,
    nothing_moves_for_those_who_asked_for_stillness,
];

/// Points 1 and 2, and the desks in between.
const WIDTHS: [(u32, u32); 5] = [(320, 640), (360, 640), (768, 700), (1024, 700), (1440, 900)];

/// Finds what can be scrolled sideways: the page, or a box in it. The text in a field may be.
pub const SIDEWAYS: &str = "[document.documentElement, ...document.querySelectorAll('body, body *')] \
    .filter(e => e.checkVisibility() && !e.closest('.unseen, input, textarea') && e.scrollWidth > e.clientWidth + 1) \
    .filter(e => e == document.documentElement || ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)) \
    .map(e => e.outerHTML.slice(0, 100))";

/// Finds what does not lie within the screen from left to right.
pub const OUTSIDE: &str = "[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.unseen') && e.tagName != 'OPTION') \
    .map(e => [e, e.getBoundingClientRect()]).filter(([e, r]) => r.width && (r.left < -0.5 || r.right > innerWidth + 0.5)) \
    .map(([e]) => e.outerHTML.slice(0, 100))";

#[track_caller]
pub fn fits(page: &Page, state: &str) {
    for (width, height) in WIDTHS {
        page.resize(width, height);
        page.next_frame();
        assert_eq!(page.eval(SIDEWAYS), json!([]), "scrolls sideways at {width}: {state}");
        assert_eq!(page.eval(OUTSIDE), json!([]), "outside of the screen at {width}: {state}");
    }
}

fn nothing_scrolls_sideways_on_small_screens_in_any_view(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    fits(&user, "asking");
    let ticket = user.ask(&"a long subject of many words ".repeat(6));
    user.until_there("#queue");
    fits(&user, "waiting");
    let console = Console::from(stage.page(Kind::Staff).open());
    fits(&console, "sign-in");
    crate::setup::sign_in(&console, "sam", crate::support::TOKEN);
    console.until_connected();
    console.go_online();
    console.until_ticket(&ticket, "waiting");
    fits(&console, "board");
    console.resize(1280, 800);
    console.pick(&ticket);
    user.until_unlocked();
    user.say("something to look at");
    console.until_received("something to look at");
    fits(&user, "chat");
    fits(&console, "chat");
    for dialog in ["transfer", "open-canned", "open-help", "open-settings", "close-ticket"] {
        console.resize(1280, 800);
        console.click(&format!("#{dialog}"));
        fits(&console, dialog);
        console.key("Escape");
    }
    console.resize(360, 640);
    console.click("#back");
    fits(&console, "chats");
    for dialog in ["open-settings", "close-ticket"] {
        user.click(&format!("#{dialog}"));
        fits(&user, dialog);
        user.key("Escape");
    }
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");
    fits(&user, "closed");
}

fn the_composer_is_in_view_with_a_phones_keyboard_open(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for page in [&*user, &*console] {
        for n in 0..8 {
            page.say(&format!("line\nafter line {n}"));
        }
        for (width, height) in [(360, 640), (360, 400), (320, 400)] {
            page.phone(width, height);
            page.next_frame();
            for part in ["#text", "#send", "#log"] {
                page.check(&format!("(({{ top, bottom, height }}) => top >= 0 && bottom <= innerHeight && height > 20)(document.querySelector('{part}').getBoundingClientRect())"));
            }
            page.until("(log => log.scrollHeight - log.scrollTop - log.clientHeight < 2)(document.querySelector('#log'))");
        }
        page.tap("#text");
        page.write("written on a phone");
        page.tap("#send");
        page.until_said("written on a phone", "delivered");
    }
}

fn long_words_wrap(source: Source) {
    let stage = Stage::new(source);
    let word = "Donaudampfschifffahrt".repeat(9);
    let name = "u".repeat(64);
    let mut user = stage.desk.user(&name);
    let ticket = user.create(&word);
    let console = stage.console("sam");
    console.go_online();
    console.until_ticket(&ticket, "waiting");
    fits(&console, "a long word on the board");
    console.resize(1280, 800);
    console.pick(&ticket);
    user.say(1, &word.repeat(3));
    console.until_received(&word.repeat(3));
    console.say(&format!("https://example.org/{word}"));
    fits(&console, "long words in a chat");

    let mut long_staff = stage.desk.staff(&"s".repeat(64)).online();
    let user = stage.user();
    let ticket = user.ask(&word);
    long_staff.pick(&ticket);
    user.until_unlocked();
    long_staff.say(&ticket, 1, &word.repeat(3));
    long_staff.typing(&ticket, true);
    user.until_received(&word.repeat(3));
    user.say(&word.repeat(3));
    fits(&user, "long words in a chat");
    // All of it is there to be read: nothing is cut off within a message.
    for page in [&*user, &*console] {
        page.check(
            "[...document.querySelectorAll('#log .text')].every(e => e.scrollWidth <= e.clientWidth + 1)",
        );
    }
}

/// Finds visible controls that are smaller than this many pixels. A checkbox counts with its label;
/// a link within a sentence is as high as its line (WCAG 2.5.8, inline).
fn smaller_than(pixels: u32) -> String {
    format!(
        "[...document.querySelectorAll('button, input, textarea, select, [role=button]')].filter(e => e.checkVisibility() && !e.closest('.unseen')) \
            .map(e => [e, (e.closest('label') ?? e).getBoundingClientRect()]) \
            .filter(([e, r]) => r.width < {pixels} - 0.5 || r.height < {pixels} - 0.5) \
            .map(([e, r]) => `${{e.id || e.className || e.textContent}} ${{r.width}} x ${{r.height}}`)"
    )
}

fn targets_are_large_enough_and_larger_for_a_finger(source: Source) {
    let stage = Stage::new(source);
    let large = |page: &Page, state: &str| {
        for (phone, pixels) in [(false, 24), (true, 44)] {
            if phone {
                page.phone(360, 740);
            }
            let small = page.eval(&smaller_than(pixels));
            assert_eq!(small, json!([]), "under {pixels} px: {state}");
        }
        page.cdp("Emulation.setTouchEmulationEnabled", json!({ "enabled": false }));
        page.resize(1280, 800);
        page.next_frame();
    };
    let user = stage.user();
    large(&user, "asking");
    let ticket = user.ask("the printer");
    large(&user, "waiting");
    user.click("#open-settings");
    large(&user, "settings");
    user.key("Escape");
    let console = stage.console("sam");
    console.go_online();
    console.until_ticket(&ticket, "waiting");
    large(&console, "board");
    console.pick(&ticket);
    large(&console, "chat");
    for dialog in ["transfer", "open-canned", "open-help", "open-settings", "close-ticket"] {
        console.click(&format!("#{dialog}"));
        large(&console, dialog);
        console.key("Escape");
    }
    user.until_unlocked();
    large(&user, "chat");
}

fn fields_are_large_enough_not_to_zoom(source: Source) {
    let stage = Stage::new(source);
    for kind in crate::setup::BOTH {
        let page = stage.page(kind).open();
        page.phone(360, 640);
        page.check("[...document.querySelectorAll('input, textarea, select')].every(e => parseFloat(getComputedStyle(e).fontSize) >= 16)");
        page.check("document.querySelectorAll('input, textarea, select').length > 4");
    }
}

fn the_two_sides_differ_by_more_than_colour(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    user.say("from the user");
    console.say("from the staff");
    for page in [&*user, &*console] {
        page.until("document.querySelectorAll('li.message').length == 2");
        for width in [320, 1280] {
            page.resize(width, 700);
            let sides = "['me', 'them'].map(from => document.querySelector(`li.message[data-from=${from}] .text`).getBoundingClientRect())";
            page.check(&format!("(([me, them]) => me.left > them.left && me.right > them.right)({sides})"));
        }
        page.check("new Set([...document.querySelectorAll('.who')].map(e => e.textContent)).size == 2");
    }
}

/// Finds visible text with a contrast below 4.5:1 (3:1 if large), computed over all backgrounds behind it.
pub const FAINT: &str = "(() => {
    const parse = text => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const over = ([r, g, b, a = 1], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
    const ground = e => e ? over(parse(getComputedStyle(e).backgroundColor), ground(e.parentElement)) : parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
    const light = c => c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    window.contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    window.ground = ground; window.parse = parse; window.over = over;
    const faint = [];
    for (const e of document.querySelectorAll('[placeholder]')) {
        const style = getComputedStyle(e, '::placeholder');
        const ratio = contrast(over([...parse(style.color).slice(0, 3), (parse(style.color)[3] ?? 1) * style.opacity], ground(e)), ground(e));
        if (e.checkVisibility() && ratio < 4.5) faint.push(`${e.id}::placeholder ${ratio.toFixed(2)}`);
    }
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim());
        if (!own || !e.checkVisibility() || e.closest('.unseen') || e.disabled) continue;
        const style = getComputedStyle(e);
        const ratio = contrast(over(parse(style.color), ground(e)), ground(e));
        const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5)) faint.push(`${e.outerHTML.slice(0, 80)} ${ratio.toFixed(2)}`);
    }
    return faint;
})()";

fn contrast_is_enough_in_light_and_dark(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    user.say("from the user");
    console.say("from the staff");
    console.until_said("from the staff", "delivered");
    user.until_said("from the user", "delivered");
    let look = |page: &Page, state: &str| {
        let mut grounds = vec![];
        for scheme in ["light", "dark"] {
            page.media(&[("prefers-color-scheme", scheme)]);
            assert_eq!(page.eval(FAINT), json!([]), "{scheme}: {state}");
            grounds.push(page.eval("getComputedStyle(document.body).backgroundColor"));
        }
        assert_ne!(grounds[0], grounds[1], "there is a dark scheme");
        page.media(&[]);
    };
    look(&user, "chat");
    look(&console, "chat");
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");
    console.until_locked("closed");
    look(&user, "closed");
    look(&console, "closed");
}

fn forced_colours_keep_everything_distinct(source: Source) {
    let stage = Stage::new(source);
    let forced = |kind| stage.page(kind).media("forced-colors", "active");
    let (user, console, first): (UserPage, Console, _) = chat_by(forced(Kind::User), forced(Kind::Staff));
    console.check("matchMedia('(forced-colors: active)').matches");
    let mut bob = stage.desk.user("bob");
    let second = bob.create("the door");
    console.pick(&second);
    let mut ann = stage.desk.user("ann");
    ann.create("the lamp");
    console.until("document.querySelector('[data-state=waiting]')");
    user.say("hello");
    console.until_there("[data-unread]");
    // Backgrounds and shadows are gone now: whatever can be pressed or written in has an edge, or is known by its text.
    let edges = "[...document.querySelectorAll('button:not(.icon), input, textarea, select')].filter(e => e.checkVisibility()) \
        .filter(e => ['none', 'hidden'].includes(getComputedStyle(e).borderTopStyle) || parseFloat(getComputedStyle(e).borderTopWidth) < 1) \
        .map(e => e.outerHTML.slice(0, 80))";
    for page in [&*user, &*console] {
        assert_eq!(page.eval(edges), json!([]));
        // The focus is seen.
        page.click("#text");
        page.check("getComputedStyle(document.querySelector('#text')).outlineStyle != 'none'");
    }
    // The dot of who is there is full by its edge.
    let asking = forced(Kind::User).user();
    asking.check("(s => parseFloat(s.borderTopWidth) * 2 >= parseFloat(s.width))(getComputedStyle(document.querySelector('#desk-state'), '::before'))");
    // What is chosen differs by what is left: lines, weight, colour of the system.
    let look = |ticket: &str| {
        let style = "['borderTopStyle', 'borderTopWidth', 'borderTopColor', 'borderInlineStartWidth', 'borderInlineStartStyle', \
            'borderInlineStartColor', 'fontWeight', 'textDecorationLine', 'outlineStyle', 'color', 'backgroundColor']";
        let list = format!("document.querySelector(\"#chat-list [data-chat='{ticket}'] button\")");
        console.eval(&format!("{style}.map(name => getComputedStyle({list})[name])"))
    };
    assert_ne!(look(&first), look(&second), "the current chat looks like any other");
}

fn nothing_moves_for_those_who_asked_for_stillness(source: Source) {
    let stage = Stage::new(source);
    let still = |kind| stage.page(kind).media("prefers-reduced-motion", "reduce");
    let (user, console, _) = chat_by(still(Kind::User), still(Kind::Staff));
    user.say("hello");
    console.until_received("hello");
    console.say("hello");
    user.until_received("hello");
    console.click("#open-settings");
    for page in [&*user, &*console] {
        page.check("matchMedia('(prefers-reduced-motion: reduce)').matches");
        let moving = "[...document.querySelectorAll('*')].flatMap(e => ['', '::before', '::after', '::backdrop'].map(part => [e, part, getComputedStyle(e, part || null)])) \
            .filter(([e, part, s]) => [s.animationDuration, s.transitionDuration].some(d => d.split(',').some(v => parseFloat(v) > 0.01)) || s.scrollBehavior == 'smooth') \
            .map(([e, part]) => e.tagName + part)";
        assert_eq!(page.eval(moving), json!([]));
        page.check("document.getAnimations().length == 0");
    }
}
