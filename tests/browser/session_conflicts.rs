//! Conflicts of sessions: an id that is used twice or refused, wrong addresses, and dead connections.

use std::net::TcpListener;

use serde_json::json;

use crate::page::Page;
use crate::proxy::Way;
use crate::refusals::{chat_at, is_silent, say_all, states};
use crate::scripted::ScriptedDesk;
use crate::setup::{BOTH, Console, Kind, Source, Stage, UserPage, chat, chat_with_staff, sign_in, stories};
use crate::support::TOKEN;

stories![
    a_second_tab_takes_over_and_use_it_here_takes_it_back,
    a_second_console_takes_over_and_use_it_here_takes_it_back,
    of_twenty_tabs_one_is_connected_and_each_can_take_over,
    what_another_tab_said_is_there_after_use_it_here,
    what_another_console_said_is_there_after_use_it_here,
    a_chat_that_ended_in_another_tab_is_not_blamed_on_a_restart,
    a_message_that_waits_in_a_tab_and_in_its_copy_is_sent_once,
    a_wrong_token_is_shown_at_its_field,
    an_id_of_somebody_else_is_shown_as_such_and_a_new_one_offered,
    a_stalled_line_is_noticed,
    a_quiet_line_is_asked_with_a_ping_and_a_pong_is_answer_enough,
    retries_are_jittered_and_capped_and_never_end,
];

fn a_second_tab_takes_over_and_use_it_here_takes_it_back(source: Source) {
    let stage = Stage::new(source);
    let mut sam = stage.desk.staff("sam").online();
    let first = stage.user();
    let ticket = first.ask("the printer");
    sam.pick(&ticket);
    first.until_unlocked();
    first.say("from the first");
    sam.expect("message");

    let second = UserPage::from(first.duplicate());
    second.until_unlocked();
    first.until_locked("elsewhere");
    first.until_there("#notice[data-reason=elsewhere]");
    assert_eq!(second.messages(), ["from the first"]);
    second.say("from the second");
    assert_eq!(sam.expect("message")["text"], "from the second");

    first.click("#use-here");
    first.until_unlocked();
    first.until_gone("#notice");
    second.until_locked("elsewhere");
    second.until_there("#use-here");
    first.say("from the first again");
    assert_eq!(sam.expect("message")["text"], "from the first again");
    has_connected_once_for_each_click(&first, &second);
}

fn of_twenty_tabs_one_is_connected_and_each_can_take_over(source: Source) {
    let stage = Stage::new(source);
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User));
    let mut tabs = vec![user];
    for _ in 1..20 {
        let tab = UserPage::from(tabs.last().unwrap().duplicate());
        tab.until_unlocked();
        tabs.push(tab);
    }
    let last = tabs.pop().unwrap();
    for tab in &tabs {
        tab.until_locked("elsewhere");
    }
    last.say("from the last");
    assert_eq!(sam.expect("message")["text"], "from the last");
    sam.say(&ticket, 1, "to whom it concerns");
    last.until_received("to whom it concerns");
    let first = &tabs[0];
    first.click("#use-here");
    first.until_unlocked();
    last.until_locked("elsewhere");
    assert_eq!(first.messages(), ["from the last", "to whom it concerns"]);
    first.say("from the first");
    assert_eq!(sam.expect("message")["text"], "from the first");
    // Nobody has come back by itself.
    for tab in tabs[1..].iter().chain([&last]) {
        assert!(tab.sockets().len() <= 1); // a copy may have opened its own before the test listened
        tab.check("wire.reason == 'elsewhere'");
    }
}

fn what_another_tab_said_is_there_after_use_it_here(source: Source) {
    let stage = Stage::new(source);
    let (first, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User));
    first.say("from the first");
    sam.expect("message");
    first.until_said("from the first", "sent");
    let second = UserPage::from(first.duplicate());
    second.until_unlocked();
    first.until_locked("elsewhere");
    second.say("from the second");
    sam.expect("message");
    second.until_said("from the second", "sent");
    sam.say(&ticket, 1, "to the second");
    second.until_received("to the second");
    sam.expect("delivered");

    first.click("#use-here");
    first.until_unlocked();
    assert_eq!(first.messages(), ["from the first", "from the second", "to the second"]);
    first.say("from the first again");
    assert_eq!(sam.expect("message")["text"], "from the first again");
    first.until_said("from the first again", "sent");
    second.click("#use-here");
    second.until_unlocked();
    assert_eq!(second.messages(), first.messages());
}

/// The console keeps its chats in its tab. What another one said comes back from the user's page, as a recap.
fn what_another_console_said_is_there_after_use_it_here(source: Source) {
    let stage = Stage::new(source);
    let (user, first, _) = chat(&stage);
    first.say("from the first");
    user.until_received("from the first");
    let second = Console::from(first.duplicate());
    second.until("document.querySelector('#presence').dataset.online == 'true'");
    second.click("#pick-mine");
    second.until_unlocked();
    second.say("from the second");
    user.until_received("from the second");
    first.click("#use-here");
    first.until_connected();
    first.go_online();
    first.click("#pick-mine");
    first.until_unlocked();
    first.until("document.querySelectorAll('#log li.message').length == 2");
    assert_eq!(first.messages(), ["from the first", "from the second"]);
}

fn a_chat_that_ended_in_another_tab_is_not_blamed_on_a_restart(source: Source) {
    let stage = Stage::new(source);
    let first = stage.user();
    first.ask("the printer");
    let second = UserPage::from(first.duplicate());
    second.until_connected();
    first.until_locked("elsewhere");
    second.click("#close-ticket");
    second.click("#confirm-yes");
    second.until_ticket_is("closed");
    first.click("#use-here");
    first.until_ticket_is("closed");
    first.until_text("#log li.system[data-kind=gone]", "may have ended in another tab");
    first.until_there("#new-ticket");
}

/// Both have it, and neither knows what the other has done.
fn a_message_that_waits_in_a_tab_and_in_its_copy_is_sent_once(source: Source) {
    let stage = Stage::new(source);
    let (first, desk, mut connection) = chat_at(&stage, Kind::User, 1);
    say_all(&first, &["one", "two", "three"]);
    let one = connection.expect_message("one");
    connection.refuse(&one, "unread_limit");
    is_silent(&first, &mut connection);
    first.eval("wire.connect = () => {}, 0"); // it has no network
    drop(connection);
    first.until("document.querySelector('#status').dataset.connection == 'retrying'");

    let second = first.duplicate();
    let mut connection = desk.accept();
    connection.welcome_to_chat(Kind::User, 0, 0);
    assert_eq!(connection.expect_message("one"), one);
    connection.ack(&one, 1);
    let two = connection.expect_message("two");
    connection.ack(&two, 2);
    let three = connection.expect_message("three");
    assert!(one.as_u64() < two.as_u64() && two.as_u64() < three.as_u64());
    connection.refuse(&three, "unread_limit");
    is_silent(&second, &mut connection);
    second.eval("wire.connect = () => {}, 0");
    drop(connection);

    first.eval("delete wire.connect, wire.connect(), 0");
    let mut connection = desk.accept();
    connection.welcome_to_chat(Kind::User, two.as_u64().unwrap(), 2);
    assert_eq!(connection.expect_message("two"), two, "asks for its place, and is not relayed again");
    connection.ack(&two, 2);
    assert_eq!(connection.expect_message("three"), three);
    connection.ack(&three, 3);
    is_silent(&first, &mut connection);
    // Its receipt is lost, but it was not sent again by itself.
    assert_eq!(states(&first), ["failed", "sent", "sent"]);
    first.until_text("li.message[data-state=failed] .state", "cannot tell whether it arrived");
}

/// Had they fought, there would be more. The first connection of a duplicate may be made before its tab is watched.
fn has_connected_once_for_each_click(first: &Page, second: &Page) {
    assert_eq!(first.sockets().len(), 2);
    assert!(second.sockets().len() <= 1, "{:?}", second.sockets());
}

fn a_second_console_takes_over_and_use_it_here_takes_it_back(source: Source) {
    let stage = Stage::new(source);
    let first = stage.console("sam");
    first.go_online();
    let second = Console::from(first.duplicate());
    second.until_connected();
    first.until_there("#notice[data-reason=elsewhere]");
    first.check(
        "document.querySelector('#go-online').disabled || document.querySelector('#go-online').hidden",
    );
    // The copy was online, so it comes back online by itself, as after a reload.
    second.until("document.querySelector('#presence').dataset.online == 'true'");

    first.click("#use-here");
    first.until_connected();
    second.until_there("#notice[data-reason=elsewhere]");
    first.go_online();
    has_connected_once_for_each_click(&first, &second);
}

fn a_wrong_token_is_shown_at_its_field(source: Source) {
    let stage = Stage::new(source);
    let console = Console::from(stage.page(Kind::Staff).open());
    sign_in(&console, "sam", "not-the-token");
    console.until("document.querySelector('#token-error').textContent");
    console.check("document.querySelector('#token').getAttribute('aria-invalid') == 'true'");
    console.check("document.activeElement.id == 'token'");
    console.check("document.body.dataset.view == 'sign-in'");
    assert_eq!(console.value("#staff-id"), "sam");
    assert_eq!(console.sockets().len(), 1, "asking again would end the same");

    console.fill("#token", TOKEN);
    console.key("Enter");
    console.until_there("#desk");
    console.until_text("#who", "sam");
    assert_eq!(console.text("#token-error"), "");
}

/// Only from disk: a served page has its desk's address.
#[test]
fn a_wrong_address_is_shown_and_can_be_corrected_in_the_page() {
    let stage = Stage::new(Source::Disk);
    let (right, nobody) = (stage.desk.server.addr, {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap() // where nobody listens any more
    });
    for kind in BOTH {
        let mut page = stage.page(kind).open();
        page.allowed.push(format!("ws://{nobody}/ws/"));
        page.may_lose_connection = true;
        // The token of one address is not the token of another, so staff sign in at each.
        let sign_in = || {
            if kind == Kind::Staff {
                sign_in(&page, "sam", TOKEN);
            }
        };
        sign_in();
        page.until_connected();
        change_address(&page, "#open-settings", &nobody.to_string());
        sign_in();
        page.until_there("#notice[data-reason=lost]");
        page.until_text("#notice-text", &nobody.to_string());
        // What is no address is refused at its field, and not kept.
        page.click("#change-address");
        for wrong in ["desk.example:800000", "ws://not an address"] {
            page.fill("#server-address", wrong); // a port has five digits at most
            page.key("Enter");
            page.until_text("#server-address-error", "no address");
            page.check("document.activeElement.id == 'server-address' && document.activeElement.ariaInvalid == 'true'");
        }
        page.key("Escape");
        page.until_gone("#settings");
        // As it is copied from the address bar.
        change_address(&page, "#change-address", &format!("http://{right}/"));
        page.until_connected(); // with the token that was given for it
        page.until_gone("#notice");
    }
}

/// Changes the address in the settings, which this button opens. The page reloads.
pub fn change_address(page: &Page, button: &str, address: &str) {
    page.click(button);
    page.fill("#server-address", address);
    page.eval("window.isOld = true");
    page.key("Enter");
    page.until("!window.isOld && document.readyState == 'complete'");
}

fn an_id_of_somebody_else_is_shown_as_such_and_a_new_one_offered(source: Source) {
    let stage = Stage::new(source);
    let _alice = stage.desk.user("alice");
    let key = format!("deskwire.user@ws://{}", stage.desk.server.addr);
    let take = format!(
        "sessionStorage.getItem('{key}') ?? sessionStorage.setItem('{key}', JSON.stringify({{ id: 'alice' }}))"
    );
    let user = UserPage::from(stage.page(Kind::User).before(&take).open());
    user.until_there("#notice[data-reason=not-yours]");
    user.check("document.querySelector('#notice-text').textContent.length > 20");
    assert_eq!(user.sockets().len(), 1, "asking again would end the same");
    user.click("#start-fresh");
    user.until_connected();
    user.until_gone("#notice");
    assert_ne!(user.id(), "alice");
    user.ask("may I?");
}

fn a_stalled_line_is_noticed(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let open = |kind| stage.page(kind).by(&proxy).faster(10).open();
    let pages = BOTH.map(open);
    sign_in(&pages[1], "sam", TOKEN);
    pages.iter().for_each(Page::until_connected);
    proxy.stall(Way::Up);
    proxy.stall(Way::Down);
    for page in &pages {
        page.until_there("#status[data-connection=retrying]");
        page.until_there("#notice[data-reason=lost]");
    }
    proxy.flow();
    for page in &pages {
        page.until_connected();
        page.until_gone("#notice");
    }
}

fn a_quiet_line_is_asked_with_a_ping_and_a_pong_is_answer_enough(source: Source) {
    let stage = Stage::new(source);
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let kind = if source == Source::Disk { Kind::User } else { Kind::Staff };
    let page = stage.page(kind).at(desk.addr).faster(10).open();
    if kind == Kind::Staff {
        sign_in(&page, "sam", "any-token");
    }
    let mut connection = desk.accept();
    connection.welcome(kind, None);
    for _ in 0..2 {
        assert_eq!(connection.next(), json!({ "type": "ping" }));
        connection.send(&json!({ "type": "pong", "now": 1000 }));
    }
    page.until_connected();
    desk.nobody_came();
}

fn retries_are_jittered_and_capped_and_never_end(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let user = stage.page(Kind::User).by(&proxy).faster(40).user();
    proxy.disconnect();
    user.until("waits.length >= 12");
    let waits: Vec<f64> = serde_json::from_value(user.eval("waits.slice(0, 12)")).unwrap();
    let (first, late) = (waits[0], &waits[6..]);
    assert!((100.0..=1000.0).contains(&first), "the first comes soon: {waits:?}");
    assert!(
        late.iter().all(|wait| (5_000.0..=30_000.0).contains(wait)),
        "they grow, and are capped: {waits:?}"
    );
    assert!(late.windows(2).any(|two| (two[0] - two[1]).abs() > 50.0), "and jittered: {waits:?}");

    proxy.restore();
    user.until_connected();
    user.eval("waits.length = 0");
    proxy.disconnect();
    user.until("waits.length >= 1");
    user.check("waits[0] <= 1000"); // a success starts anew
    proxy.restore();
    user.until_connected();
}
