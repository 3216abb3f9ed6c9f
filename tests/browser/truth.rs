//! What the console says of time, of who waits, and of what was refused.

use crate::scripted::{ScriptedDesk, TICKET};
use crate::setup::{Console, Kind, Source, Stage, chat_by, sign_in, stories};
use crate::support::{Desk, TOKEN};
use serde_json::json;

stories![
    ages_count_from_the_present_state,
    a_paused_ticket_whose_user_is_there_counts_as_waiting,
    after_a_restart_nothing_offers_to_pick_what_is_gone,
    a_refusal_names_whom_it_concerns,
    times_are_the_desks_on_a_machine_whose_clock_is_wrong,
    a_clock_that_is_set_back_is_noticed_at_once,
];

const MINUTE: u64 = 60_000;

fn ages_count_from_the_present_state(source: Source) {
    let stage = Stage::new(source);
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let console = Console::from(stage.page(Kind::Staff).at(desk.addr).open());
    sign_in(&console, "sam", TOKEN);
    let mut connection = desk.accept();
    let now = 100 * MINUTE;
    let ticket = |id: &str, state: &str, since: u64, online: bool| {
        json!({ "ticket_id": id, "user_id": "alice", "subject": "help", "state": state,
            "staff_id": if state == "waiting" { None } else { Some("sam") }, "user_online": online, "created_at": now - 80 * MINUTE, "since": since })
    };
    connection.send(&json!({ "type": "welcome", "protocol": 1, "role": "staff", "staff_id": "sam", "online": false, "now": now,
        "max_chats": 5, "assign": "manual", "more": 0, "staff": [], "tickets": [
            ticket(TICKET, "active", now - 2 * MINUTE, true), ticket("t2", "waiting", now - 500, true),
            ticket("t3", "paused", now - 7 * MINUTE, false)] }));
    console.until_connected();
    let line = |id: &str| format!("#tickets [data-ticket='{id}'] .state-line");
    console.until_text(&line(TICKET), "Yours for 2 minutes");
    console.until_text(&line("t2"), "Waiting just now");
    console.until_text(&line("t3"), "for 7 minutes");
    // The paused one has nobody who waits.
    console.until_text("#oldest-waiting", "One waiting");
    connection
        .send(&json!({ "type": "ticket_updated", "ticket": ticket("t3", "paused", now - 7 * MINUTE, true) }));
    console.until_text("#oldest-waiting", "2 waiting, the oldest for 7 minutes");
    console.until("document.querySelector('#board-count').textContent == '2'");
}

fn a_paused_ticket_whose_user_is_there_counts_as_waiting(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    let mut ann = stage.desk.user("ann");
    let ticket = ann.create("the printer");
    console.until_text("#oldest-waiting", "One waiting");
    let mut kim = stage.desk.staff("kim").online();
    kim.pick(&ticket);
    console.until_text("#oldest-waiting", "Nobody is waiting");
    kim.go_offline();
    console.until_ticket(&ticket, "paused");
    console.until_text("#oldest-waiting", "One waiting");
    ann.leave();
    console.until_text("#oldest-waiting", "Nobody is waiting");
    console.until("document.querySelector('#board-count').textContent == ''");
}

fn after_a_restart_nothing_offers_to_pick_what_is_gone(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (_user, console, _) = chat_by(stage.page(Kind::User).by(&proxy), stage.page(Kind::Staff).by(&proxy));
    let next_desk = Desk::start();
    proxy.disconnect();
    proxy.lead_to(next_desk.server.addr);
    console.until_locked("lost");
    proxy.restore();
    console.until_chat_is("closed");
    assert_eq!(console.lines(), ["joined", "lost", "ended"]);
}

fn a_refusal_names_whom_it_concerns(source: Source) {
    let stage = Stage::with(source, &["--max-chats", "1"]);
    let console = stage.console("sam");
    console.go_online();
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let [first, second] = users.each_mut().map(|user| user.create("help"));
    console.pick(&first);
    let mut kim = stage.desk.staff("kim").online();
    kim.pick(&second);
    console.until_there("[data-colleague=kim]");
    console.click("#transfer");
    console.click("#transfer-send");
    console.until_text("#problem", "“help” was not handed over to kim: they have no room for another chat.");
}

/// Makes the page's clock differ by `window.clockShift` milliseconds, from the start by this many hours.
fn wrong_clock(hours: i64) -> String {
    format!(
        "{{
            window.clockShift = {hours} * 3600000;
            const Right = Date;
            window.Date = class Date extends Right {{
                constructor(...parts) {{ super(...(parts.length ? parts : [Right.now() + clockShift])); }}
                static now() {{ return Right.now() + clockShift; }}
            }};
            window.rightNow = () => Right.now();
        }}"
    )
}

fn times_are_the_desks_on_a_machine_whose_clock_is_wrong(source: Source) {
    let stage = Stage::new(source);
    let (user, console) = (stage.page(Kind::User), stage.page(Kind::Staff));
    let (user, console, _) = chat_by(user.before(&wrong_clock(7)), console.before(&wrong_clock(-50)));
    user.say("from tomorrow");
    console.until_received("from tomorrow");
    console.say("from yesterday");
    user.until_received("from yesterday");
    let mut ann = stage.desk.user("ann");
    let waiting = ann.create("the lamp");
    console.until_text(&format!("#tickets [data-ticket='{waiting}'] .age"), "just now");
    console.until_text("#oldest-waiting", "1 minute");
    console.until_text("#chat-list .age", "now");
    let are_right = "[...document.querySelectorAll('#log time')].every(e => Math.abs(Date.parse(e.dateTime) - rightNow()) < 60000)";
    for page in [&*user, &*console] {
        page.check(are_right);
        assert_eq!(page.count("#log li.day"), 1);
        page.reload();
        page.until_connected();
        page.until("document.querySelectorAll('#log li.message').length == 2");
        page.check(are_right);
    }
}

/// It would tell for hours that nothing is due yet.
fn a_clock_that_is_set_back_is_noticed_at_once(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat_by(
        stage.page(Kind::User).before(&wrong_clock(0)),
        stage.page(Kind::Staff).before(&wrong_clock(0)),
    );
    user.type_keys("a");
    console.until_there("#typing:not(:empty)");
    for page in [&*user, &*console] {
        page.eval("window.clockShift = -5 * 3600000");
        page.until("Math.abs(deskNow() - rightNow()) < 5000"); // the desk was asked
    }
    user.fill("#text", "");
    console.until_gone("#typing:not(:empty)");
    user.type_keys("b");
    console.until_there("#typing:not(:empty)");
}
