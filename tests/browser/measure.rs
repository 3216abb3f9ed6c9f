//! `make bench-pages`: how long a page takes until it can be used, and what keys, messages and tickets cost it. Figures,
//! not tests: a machine that is busy would fail them.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chromium::lock;
use crate::cost::fill;
use crate::page::{Page, poll};
use crate::scripted::{Connection, ScriptedDesk};
use crate::setup::{Console, Kind, Source, Stage, sign_in};
use crate::slow_line::SlowLine;
use crate::support::TOKEN;
use crate::windows::Context;

const ROUNDS: usize = 5;
const ROUND_TRIP: Duration = Duration::from_millis(300);
const BITS_PER_S: u32 = 1_600_000;
/// How many times slower than this machine a slow one is.
const SLOWER: f64 = 6.0;
const KEYS: u32 = 40;

#[test]
#[ignore = "it measures; `make bench-pages` asks for it"]
fn measure() {
    let mut report = String::from("# The pages\n\nBy `make bench-pages`: medians of ");
    let _ = writeln!(report, "{ROUNDS} rounds, in Chromium without a window.\n");
    deliveries(&mut report);
    costs(&mut report);
    let file = std::env::var("BENCH_PAGES_FILE").expect("BENCH_PAGES_FILE names the file for the figures");
    std::fs::write(&file, &report).expect("the file can be written");
}

// ---- Until the page can be used

/// Notes when the page is connected, by its own clock, which begins with the navigation.
const NOTE_CONNECTED: &str = "new MutationObserver((all, observer) => {
    if (document.querySelector('#status')?.dataset.connection !== 'open') return;
    window.connectedAt = performance.now();
    observer.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-connection'] });";

const DELIVERY: &str = "(({ domContentLoadedEventEnd, transferSize }) => ({ usable: domContentLoadedEventEnd,
    connected: connectedAt, bytes: transferSize, requests: 1 + performance.getEntriesByType('resource').length,
    painted: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0 }))(performance.getEntriesByType('navigation')[0])";

fn deliveries(report: &mut String) {
    let stage = Stage::new(Source::Served);
    let line = SlowLine::to(stage.desk.server.addr, ROUND_TRIP, BITS_PER_S);
    let _ = writeln!(
        report,
        "## Until it can be used\n\nThe user's page as it is served, at {} Mbit/s and {} ms a round trip, by a proxy that\n\
         also lets TCP's handshake take one. Times since the navigation. Usable: the field has the focus and takes what is\n\
         written; what is asked is sent as soon as the page is connected. TCP's handshake and the request take two round\n\
         trips before anything is usable, and the WebSocket two more. What comes on top of the round trips and the bytes is\n\
         CPU time of the page's thread, until it is connected.\n",
        f64::from(BITS_PER_S) / 1e6,
        ROUND_TRIP.as_millis()
    );
    let _ = writeln!(report, "| | requests | status | bytes | first paint | usable | connected | CPU time |");
    let _ = writeln!(report, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut rounds: [Vec<Value>; 2] = [vec![], vec![]];
    for _ in 0..ROUNDS {
        let mut page = Page::open(&Context::new(), (390, 740));
        page.is_reusable.set(false);
        page.allowed = ["http", "ws"].map(|kind| format!("{kind}://{}/", line.addr)).into();
        page.allowed.extend(["data:".to_owned(), "about:".to_owned()]);
        page.before_scripts(NOTE_CONNECTED);
        page.cdp("Performance.enable", json!({ "timeDomain": "threadTicks" }));
        for seen in &mut rounds {
            page.go(&format!("http://{}/", line.addr));
            page.until("document.activeElement.id == 'subject' && window.connectedAt");
            let mut delivered = page.eval(DELIVERY);
            delivered["status"] = last_status(&page);
            delivered["work"] = work(&page).into();
            seen.push(delivered);
            page.go("data:text/html,between");
        }
        page.go("about:blank#");
    }
    for (name, seen) in ["cold", "warm"].into_iter().zip(rounds) {
        let middle = |what: &str| median(seen.iter().filter_map(|one| one[what].as_f64()).collect());
        let _ = writeln!(
            report,
            "| {name} | {} | {} | {} | {:.0} ms | {:.0} ms | {:.0} ms | {:.0} ms |",
            middle("requests"),
            middle("status"),
            middle("bytes"),
            middle("painted"),
            middle("usable"),
            middle("connected"),
            middle("work")
        );
    }
}

/// What the desk answered when it was asked for the page. The page itself sees 200 even for a 304.
fn last_status(page: &Page) -> Value {
    let events = lock(&page.events);
    let mut statuses = events.iter().filter(|event| event["method"] == "Network.responseReceivedExtraInfo");
    let first_of_last = statuses.rfind(|event| event["params"]["statusCode"] != 101);
    first_of_last.map_or(Value::Null, |event| event["params"]["statusCode"].clone())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

// ---- What things cost a page

fn costs(report: &mut String) {
    let stage = Stage::new(Source::Served);
    let _ = writeln!(
        report,
        "\n## What things cost the console\n\nCPU time of the page's thread, all of its tasks: it hardly depends on what else the machine does. Most of a key\n\
         is the browser's own share: an empty page has it as well.\n"
    );
    let _ = writeln!(report, "| | CPU time | on a CPU {SLOWER} times slower |\n| --- | ---: | ---: |");
    let mut rounds: [Vec<f64>; 7] = Default::default();
    for _ in 0..ROUNDS {
        let (console, mut connection) = console_of(&stage);
        rounds[5].push(longest_task(&console, || board(&console, &mut connection, 500)));
        let mut empty = Page::open(&Context::new(), (1440, 900));
        empty.is_reusable.set(false);
        empty.allowed = vec!["data:".to_owned()];
        empty.go("data:text/html,<!doctype html><textarea id=text></textarea>");
        empty.cdp("Performance.enable", json!({ "timeDomain": "threadTicks" }));
        rounds[6].push(cost(&empty, || typing(&empty, "#text")));

        let (console, mut connection) = console_of(&stage);
        rounds[0].push(cost(&console, || board(&console, &mut connection, 500)));
        rounds[1].push(cost(&console, || typing(&console, "#search")));
        (500..700).for_each(|n| connection.send(&json!({ "type": "ticket_added", "ticket": ticket(n) })));
        (0..8).for_each(|n| connection.send(&picked(n)));
        console.until("chats.opened().length == 8 && document.querySelector('#chat').checkVisibility()");
        rounds[2].push(cost(&console, || typing(&console, "#text")));
        fill(&console);
        console.next_frame();
        rounds[3].push(cost(&console, || typing(&console, "#text")));
        rounds[4].push(cost(&console, || {
            connection.send(
                &json!({ "type": "message", "ticket_id": id(0), "seq": 1, "from": "user", "sender_id": "x",
                "id": 1, "text": "hello", "at": 1_700_000_000_000_u64 }),
            );
            console.until_received("hello");
            connection.expect("delivered");
        }));
    }
    let names = [
        "a board of 500 tickets arrives",
        "a key in the search of that board",
        "a key in a message, with 8 chats and 700 tickets",
        "the same, with 300 lines of 1500 characters in that chat",
        "a message arrives in that chat, with its receipt",
        "the longest task as the board arrives",
        "a key in an empty page",
    ];
    for (nth, (name, seen)) in names.into_iter().zip(rounds).enumerate() {
        let each = if [1, 2, 3, 6].contains(&nth) { f64::from(KEYS) } else { 1.0 };
        let work = median(seen.iter().map(|work| work / each).collect());
        let _ = writeln!(report, "| {name} | {work:.1} ms | {:.0} ms |", work * SLOWER);
    }
}

/// Opens a console at a desk that is played by the test.
fn console_of(stage: &Stage) -> (Console, Connection) {
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let console = Console::from(stage.page(Kind::Staff).size(1440, 900).at(desk.addr).open());
    console.is_reusable.set(false);
    sign_in(&console, "sam", TOKEN);
    let connection = desk.accept();
    console.cdp("Performance.enable", json!({ "timeDomain": "threadTicks" }));
    (console, connection)
}

/// Returns how many milliseconds of CPU time the page's thread took meanwhile.
fn cost(page: &Page, act: impl FnOnce()) -> f64 {
    let before = work(page);
    act();
    page.next_frame();
    work(page) - before
}

/// Returns how many milliseconds of CPU time the longest task of the page's thread took meanwhile. It is traced, so it is
/// a little more than without.
fn longest_task(page: &Page, act: impl FnOnce()) -> f64 {
    let categories = ["toplevel", "devtools.timeline"];
    let config =
        json!({ "transferMode": "ReportEvents", "traceConfig": { "includedCategories": categories } });
    page.cdp("Tracing.start", config);
    act();
    page.next_frame();
    page.cdp("Tracing.end", json!({}));
    let is_end = |event: &Value| event["method"] == "Tracing.tracingComplete";
    poll(|| lock(&page.events).iter().any(is_end).then_some(())).expect("the trace ends");
    let mut events = lock(&page.events);
    let traced = events.iter().filter(|event| event["method"] == "Tracing.dataCollected");
    let all: Vec<&Value> = traced.filter_map(|event| event["params"]["value"].as_array()).flatten().collect();
    let of_board = |event: &&&Value| {
        event["name"] == "FunctionCall" && event["args"]["data"]["functionName"] == "socket.onmessage"
    };
    let of_page = all.iter().find(of_board).expect("an event of the board");
    let is_task = |event: &&&Value| {
        event["name"] == "ThreadControllerImpl::RunTask"
            && event["pid"] == of_page["pid"]
            && event["tid"] == of_page["tid"]
    };
    let longest = all.iter().filter(is_task).filter_map(|event| event["tdur"].as_f64()).fold(0.0, f64::max);
    events.retain(|event| event["method"].as_str().is_none_or(|method| !method.starts_with("Tracing.")));
    longest / 1000.0
}

fn work(page: &Page) -> f64 {
    let metrics = page.cdp("Performance.getMetrics", json!({}))["metrics"].take();
    let mut all = metrics.as_array().into_iter().flatten();
    let tasks =
        all.find(|metric| metric["name"] == "TaskDuration").and_then(|metric| metric["value"].as_f64());
    tasks.expect("a figure of the page's thread") * 1000.0
}

fn typing(page: &Page, field: &str) {
    page.eval(&format!(
        "document.querySelector('{field}').focus(), document.querySelector('{field}').value = ''"
    ));
    for n in 0..KEYS {
        page.key(if n % 6 == 5 { " " } else { "e" });
    }
}

fn id(n: u64) -> String {
    format!("T{n:04}")
}

fn ticket(n: u64) -> Value {
    json!({ "ticket_id": id(n), "user_id": format!("user-{n}"), "user_name": format!("Visitor {n}"), "subject": format!("The lamp number {n} flickers"),
        "state": "waiting", "staff_id": null, "staff_name": null, "user_online": true, "created_at": n, "since": n })
}

fn picked(n: u64) -> Value {
    json!({ "type": "ticket_picked", "ticket_id": id(n), "user_id": format!("user-{n}"), "user_name": format!("Visitor {n}"),
        "subject": "The lamp", "last_seq": 0, "last_id": 0, "delivered_seq": 0, "at": 1000, "auto": true, "from_staff": null, "note": null })
}

/// Sends a board as a desk does: 200 tickets at once, and then one by one.
fn board(console: &Console, connection: &mut Connection, count: u64) {
    let tickets: Vec<Value> = (0..200).map(ticket).collect();
    connection.send(&json!({ "type": "welcome", "protocol": 1, "role": "staff", "staff_id": "sam", "online": false, "now": 1_000_000,
        "max_chats": 50, "assign": "manual", "tickets": tickets, "more": count - 200, "staff": [] }));
    (200..count).for_each(|n| connection.send(&json!({ "type": "ticket_added", "ticket": ticket(n) })));
    connection.send(&json!({ "type": "presence", "online": true }));
    console.until_text("#oldest-waiting", &format!("{count} waiting"));
    console.until("document.querySelectorAll('#tickets > li').length == 200");
}
