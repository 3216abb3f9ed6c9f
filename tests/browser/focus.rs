//! Focus: Tab visits every control once, in visual order, and the focus is always visible.

use serde_json::{Value, json};

use crate::page::Page;
use crate::setup::{Kind, Source, Stage, chat, chat_by, stories};

stories![
    the_log_scrolls_by_keyboard,
    tab_goes_as_the_eye_does_and_is_never_trapped,
    the_focus_is_seen_wherever_it_goes,
    in_the_console_the_focus_goes_on_where_its_control_is_gone,
    in_the_users_page_the_focus_goes_on_where_its_control_is_gone,
    a_lost_connection_takes_the_focus_from_nobody,
];

fn the_log_scrolls_by_keyboard(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for page in [&*user, &*console] {
        let long = |n| format!("{n}{}", "\na long text".repeat(20));
        (1..=3).for_each(|n| page.say(&long(n)));
        page.until_said(&long(3), "delivered");
        page.click("#text");
        let reach = (0..40).any(|_| {
            page.key("Shift+Tab");
            page.is("document.activeElement.id == 'log'")
        });
        assert!(reach, "the log is in the tab order");
        // A button in it may have come before.
        page.eval("document.activeElement.scrollTop = document.activeElement.scrollHeight");
        page.next_frame();
        page.scroll_by_key("Home");
        page.check("document.activeElement.scrollTop == 0");
        page.scroll_by_key("PageDown");
        page.check("document.activeElement.scrollTop > 100");
        page.scroll_by_key("End");
        page.check(
            "(log => log.scrollHeight - log.scrollTop - log.clientHeight < 2)(document.activeElement)",
        );
    }
}

/// Presses Tab from the top until the focus leaves the page. Returns the controls and where they are.
fn tab_stops(page: &Page) -> Vec<Value> {
    page.eval("document.activeElement.blur(), getSelection().removeAllRanges(), document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex')");
    let here = "(e => e == document.body || !e ? null : (({ left, top, right, bottom }) => ({ name: e.id || e.className + e.textContent.slice(0, 20), \
        region: (e.closest('.region, dialog, .bar, nav, form, #notice') ?? document.body).id, left, top, right, bottom }))(e.getBoundingClientRect()))(document.activeElement)";
    let mut stops = vec![];
    for _ in 0..60 {
        page.key("Tab");
        match page.eval(here) {
            Value::Null => return stops,
            stop if stops.first() == Some(&stop) => return stops, // around once
            stop => stops.push(stop),
        }
    }
    panic!("Tab is trapped: {stops:#?}");
}

const REACHABLE: &str = "[...document.querySelectorAll('a[href], button, input, textarea, select, [tabindex=\"0\"]')] \
    .filter(e => e.checkVisibility() && !e.disabled).map(e => e.id || e.className + e.textContent.slice(0, 20))";

fn tab_goes_as_the_eye_does_and_is_never_trapped(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    let asking = stage.user();
    let sign_in_page = stage.page(Kind::Staff).open();
    for page in [&*user, &*console, &*asking, &sign_in_page] {
        for width in [1440, 360] {
            page.resize(width, 800);
            page.next_frame();
            let stops = tab_stops(page);
            let names: Vec<_> = stops.iter().map(|stop| stop["name"].clone()).collect();
            assert_eq!(
                json!(names),
                page.eval(REACHABLE),
                "each control once, in the order of the document, at {width}"
            );
            // Within a region: downwards, and along a row from left to right.
            for two in stops.windows(2).filter(|two| two[0]["region"] == two[1]["region"]) {
                let at = |n: usize, side: &str| two[n][side].as_f64().unwrap();
                let above = at(1, "bottom") <= at(0, "top") + 1.0;
                let same_row = at(1, "top") < at(0, "bottom") - 1.0 && at(0, "top") < at(1, "bottom") - 1.0;
                assert!(
                    !above && !(same_row && at(1, "right") <= at(0, "left")),
                    "the focus goes back, at {width}: {two:#?}"
                );
            }
        }
    }
}

fn the_focus_is_seen_wherever_it_goes(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    let asking = stage.user();
    let sign_in_page = stage.page(Kind::Staff).open();
    for page in [&*user, &*console, &*asking, &sign_in_page] {
        page.eval(crate::layout::FAINT); // brings its sums
        for scheme in ["light", "dark"] {
            page.media(&[("prefers-color-scheme", scheme)]);
            // The ring is 2 px at least, and 3:1 against what is around the control, and against it if it lies within.
            let ring = "(e => { const s = getComputedStyle(e); const inside = parseFloat(s.outlineOffset) < 0; \
                const around = ground(inside ? e : e.parentElement); \
                return s.outlineStyle != 'none' && parseFloat(s.outlineWidth) >= 2 && contrast(over(parse(s.outlineColor), around), around) >= 3; \
                })(document.activeElement)";
            page.eval("document.activeElement.blur(), document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex')");
            let reachable = page.eval(REACHABLE).as_array().map_or(0, Vec::len);
            for _ in 0..reachable {
                page.key("Tab");
                assert!(
                    page.is(ring),
                    "{scheme}: no ring on {}",
                    page.eval("document.activeElement.outerHTML.slice(0, 90)")
                );
            }
        }
        page.media(&[]);
    }
}

/// Waits until the focus is there: on the body it would be nowhere, and the next Tab would begin at the top.
fn until_focus_is_on(page: &Page, css: &str) {
    page.until(&format!("document.activeElement.matches({})", json!(css)));
}

fn focus(page: &Page, css: &str) {
    page.until(&format!("document.querySelector({}).checkVisibility()", json!(css)));
    page.eval(&format!("document.querySelector({}).focus()", json!(css)));
}

/// Presses a control by key.
fn press(page: &Page, css: &str) {
    focus(page, css);
    page.key("Enter");
}

fn in_the_console_the_focus_goes_on_where_its_control_is_gone(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let mut kim = stage.desk.staff("kim").online();
    let mut users = ["ann", "bob", "cat", "dan"].map(|name| stage.desk.user(name));
    let [ann, bob, cat, dan] = users.each_mut().map(|user| user.create("help"));
    for ticket in [&ann, &bob, &cat] {
        console.pick(ticket);
        until_focus_is_on(&console, "#text");
    }
    // The chat that takes the place of one has its own buttons there: the focus is on none of them.
    console.until_there("[data-colleague=kim]");
    press(&console, "#transfer");
    press(&console, "#transfer-send");
    console.until_shown(&bob);
    until_focus_is_on(&console, "#log");
    assert_eq!(kim.expect("ticket_picked")["ticket_id"], cat);
    press(&console, "#release");
    press(&console, "#confirm-yes");
    console.until_shown(&ann);
    until_focus_is_on(&console, "#log");
    press(&console, "#close-ticket");
    press(&console, "#confirm-yes");
    until_focus_is_on(&console, "#dismiss");
    console.key("Enter");
    console.until_gone("#chat");
    until_focus_is_on(&console, "#pick-next");
    // A row that a colleague was quicker to pick can be pressed no more.
    kim.pick(&bob);
    focus(&console, &format!("#tickets [data-pick='{dan}']"));
    kim.pick(&dan);
    console.until_ticket(&dan, "taken");
    until_focus_is_on(&console, "#tickets");
}

fn in_the_users_page_the_focus_goes_on_where_its_control_is_gone(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    // The button that shows earlier lines moves to the newest of them.
    console.click("#go-offline");
    console.click("#confirm-yes");
    focus(&user, ".system:last-child button");
    console.go_online();
    user.until_locked("staff-back");
    until_focus_is_on(&user, ".system:last-child button");
    console.click("#pick-again");
    user.until_unlocked();
    until_focus_is_on(&user, "#text");
    (1..=4).for_each(|n| console.say(&format!("{n}{}", "\na long text".repeat(20))));
    user.until_received(&format!("4{}", "\na long text".repeat(20)));
    user.scroll_to_top();
    console.say("the last");
    press(&user, "#new-messages");
    user.until_gone("#new-messages");
    until_focus_is_on(&user, "#log");
    focus(&user, "#text");
    press(&user, "#close-ticket");
    press(&user, "#confirm-yes");
    user.until_ticket_is("closed");
    until_focus_is_on(&user, "#log");
    press(&user, "[data-score='4']");
    until_focus_is_on(&user, "#new-ticket");
    user.key("Enter");
    until_focus_is_on(&user, "#subject");
}

fn a_lost_connection_takes_the_focus_from_nobody(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, console, _) = chat_by(stage.page(Kind::User).by(&proxy), stage.page(Kind::Staff).by(&proxy));
    focus(&user, "#close-ticket");
    focus(&console, "#transfer");
    proxy.disconnect();
    for page in [&*user, &*console] {
        page.until_there("#notice[data-reason=lost]");
        until_focus_is_on(page, "#log");
        focus(page, "#try-now");
    }
    proxy.restore();
    for page in [&*user, &*console] {
        page.until_gone("#notice");
        until_focus_is_on(page, "#log");
    }
}
