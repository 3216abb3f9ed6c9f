//! Slips of the hand that would cost somebody something, and what the pages do about them.

use serde_json::json;

use crate::page::{Page, quoted};
use crate::setup::{Kind, Source, Stage, chat, chat_by, stories};

stories![
    a_double_click_on_pick_again_does_nothing_more_than_pick,
    what_costs_others_something_asks_first_and_no_single_key_does_it,
    going_offline_keeps_the_chats_and_one_step_brings_them_back,
    a_reload_of_the_console_comes_back_online_and_picks_nothing,
    the_focus_is_somewhere_useful_after_signing_in_and_going_online,
    what_went_well_is_not_shown_over_the_header,
    a_page_that_asks_says_so_after_a_reload,
];

/// Makes `shown` take the place of `clicked` as soon as that is clicked, and clicks there twice.
fn click_twice(page: &Page, clicked: &str, shown: &str) {
    let [clicked_css, shown_css] = [clicked, shown].map(quoted);
    page.eval(&format!(
        "document.querySelector({clicked_css}).addEventListener('click', event => {{
            const [old, place] = [event.currentTarget, event.currentTarget.getBoundingClientRect()];
            Object.assign(document.querySelector({shown_css}).style, {{ position: 'fixed', zIndex: 9, left: place.left + 'px', top: place.top + 'px' }});
            document.querySelector({shown_css}).hidden = false;
            document.querySelector({shown_css}).disabled = false;
            old.hidden = true;
        }}, {{ once: true }}), 0"
    ));
    let at = page.eval(&format!(
        "(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])(document.querySelector({clicked_css}).getBoundingClientRect())"
    ));
    let event = |(kind, count)| {
        let at = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": 1, "clickCount": count });
        ("Input.dispatchMouseEvent", at)
    };
    page.cdp_all(
        [("mousePressed", 1), ("mouseReleased", 1), ("mousePressed", 2), ("mouseReleased", 2)].map(event),
    );
}

fn a_double_click_on_pick_again_does_nothing_more_than_pick(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    console.click("#go-offline");
    console.click("#confirm-yes");
    console.until_chat_is("repick");
    console.go_online();
    console.until("!document.querySelector('#pick-again').disabled");
    click_twice(&console, "#pick-again", "#release");
    user.until_unlocked();
    console.until_shown(&ticket);
    assert!(!console.is_there("dialog[open]"), "the second click did nothing");
}

fn what_costs_others_something_asks_first_and_no_single_key_does_it(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    console.key("Escape");
    console.check("document.activeElement.id != 'text'");
    // What somebody types who believes to be in the field.
    for (typed, title) in
        [("ok", "Go offline?"), ("rest", "Release this chat?"), ("cool", "Close this ticket?")]
    {
        console.type_keys(typed);
        console.until_text("#confirm h2", title);
        console.key("Enter"); // as at the end of a message
        console.until_gone("#confirm");
    }
    console.until_shown(&ticket);
    console.check("document.querySelector('#presence').dataset.online == 'true'");
    user.check("document.querySelector('#composer').dataset.locked === undefined");

    console.click("#release");
    console.click("#confirm-yes");
    user.until_ticket_is("waiting");
    // Where nobody is concerned, nobody is asked.
    console.until_gone("#chat");
    console.key("o");
    console.until("document.querySelector('#presence').dataset.online == 'false'");
    console.until_text("#outcome", "You are offline.");
    assert!(!console.text("#outcome").contains("paused"));
}

fn going_offline_keeps_the_chats_and_one_step_brings_them_back(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let mut users = ["ann", "bob", "cat"].map(|name| stage.desk.user(name));
    let tickets = users.each_mut().map(|user| user.create("help"));
    for ticket in &tickets {
        console.pick(ticket);
    }
    console.click("#go-offline");
    console.until_text("#confirm-note", "Your 3 chats are paused");
    console.click("#confirm-yes");
    console.until_text("#outcome", "paused");
    assert_eq!(console.count("#chat-list [data-chat][data-state=repick]"), 3);
    assert!(!console.is_there("#pick-mine"), "it is not offered to who is offline");
    console.go_online();
    console.until_text("#pick-mine", "(3)");
    console.click("#pick-mine");
    for user in &mut users {
        user.expect("staff_reconnected");
    }
    console.until("document.querySelectorAll('#chat-list [data-state=active]').length == 3");
    console.until_shown(&tickets[2]); // what was on the screen stays there
    console.until("document.activeElement.id == 'text'");
    console.until_gone("#pick-mine");
}

fn a_reload_of_the_console_comes_back_online_and_picks_nothing(source: Source) {
    let stage = Stage::new(source);
    let sent = "const { send } = WebSocket.prototype; window.sent = ''; WebSocket.prototype.send = function (text) { sent += text; send.call(this, text); };";
    let (_user, console, ticket) = chat_by(stage.page(Kind::User), stage.page(Kind::Staff).before(sent));
    console.reload();
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.until_chat_is("repick");
    assert!(!console.is_there(&format!("#tickets [data-ticket='{ticket}']")), "it is among the chats");
    console.until_text("#pick-mine", "(1)");
    console.check("sent.includes('go_online') && !sent.includes('pick_ticket')");
    console.click("#pick-mine");
    console.until_shown(&ticket);
    // Who is offline stays so.
    console.click("#go-offline");
    console.click("#confirm-yes");
    console.until_chat_is("repick");
    console.reload();
    console.until_connected();
    console.until_there("#go-online:not(:disabled)");
    console.check("document.querySelector('#presence').dataset.online == 'false' && !desk.wantsOnline");
}

fn the_focus_is_somewhere_useful_after_signing_in_and_going_online(source: Source) {
    let stage = Stage::new(source);
    let mut ann = stage.desk.user("ann");
    ann.create("the printer");
    let console = stage.console("sam");
    console.until("document.activeElement.id == 'go-online'");
    console.key("Enter");
    console.until("document.activeElement.id == 'pick-next'");
    console.key("Enter");
    console.until("document.activeElement.id == 'text'");
    console.click("#go-offline");
    console.click("#confirm-yes");
    console.until("document.activeElement.id == 'go-online'");
}

fn what_went_well_is_not_shown_over_the_header(source: Source) {
    let stage = Stage::new(source);
    let mut ann = stage.desk.user("ann");
    let ticket = ann.create("the printer");
    for width in [1440, 1000, 360] {
        let console = stage.page(Kind::Staff).size(width, 800).console("sam");
        console.click("#go-online");
        console.until_text("#outcome", "You are online");
        let apart = "(toast => [...document.querySelectorAll('.bar, .chat-head, .composer, .region-head')].filter(e => e.checkVisibility())
            .map(e => e.getBoundingClientRect()).every(e => toast.bottom <= e.top || toast.top >= e.bottom || toast.right <= e.left || toast.left >= e.right))
            (document.querySelector('#outcome').getBoundingClientRect())";
        console.check(apart);
        console.pick(&ticket);
        console.until_text("#outcome", "yours");
        console.check(apart);
    }
}

fn a_page_that_asks_says_so_after_a_reload(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let user = stage.page(Kind::User).by(&proxy).user();
    user.ask("the printer");
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");
    user.click("#new-ticket");
    proxy.stall(crate::proxy::Way::Up);
    user.put("#subject", "the lamp");
    user.key("Enter");
    user.until("document.querySelector('#create').disabled");
    if source == Source::Disk {
        user.reload(); // a served page would not come through
        user.until_there("#asking");
        user.until_text("#asking-text", "We ask for you");
        assert_eq!(user.value("#subject"), "the lamp");
        user.click("#cancel-ask");
        user.check("!document.querySelector('#create').disabled");
        user.key("Enter");
    }
    proxy.disconnect();
    proxy.restore();
    user.until("document.body.dataset.view == 'chat'");
    user.until_text("#chat-subject", "the lamp");
}
