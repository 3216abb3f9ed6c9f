//! The simulation has a model of the pages (`tests/simulation/pages`), which says in Rust what their scripts do. Here the
//! real pages do what those did in some simulated worlds, moment by moment: the same frames come, their people do the
//! same, and what they send and show has to be the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::setup::{Kind, Source, Stage, stories};
use crate::simulation::figures::{MESSAGES_PER_S, PAYLOAD_BYTES_PER_S};
use crate::simulation::pages::{Act, Event, Moment, Page, Tab};
use crate::simulation::plan::plan;
use crate::simulation::world::{START, World};

stories![the_pages_do_what_their_model_in_the_simulation_does];

/// Worlds that are looked through, for pages in which something happens that has not been seen yet.
const SEEDS: u64 = 3000;
/// Of the first worlds, all pages are compared.
const ALL_OF: u64 = 4;
const STEPS: usize = 150;
/// What has to happen in some of the worlds, so that it is worth something that the pages agree.
const SEEN: [&str; 47] = [
    "user hears ticket_created",
    "user hears staff_joined",
    "user hears staff_offline",
    "user hears staff_online",
    "user hears staff_reconnected",
    "user hears staff_left",
    "user hears message",
    "user hears ack",
    "user hears delivered",
    "user hears ticket_closed",
    "user hears rate_limited",
    "user hears rate_limited of a message",
    "user hears unread_limit of a message",
    "user hears staff_offline of a message",
    "user hears desk_full",
    "user is closed 1006",
    "user is closed 4409",
    "user sends message again",
    "user sends typing",
    "user sends ping",
    "user sends recap",
    "user sends rate_ticket",
    "user hears unread_limit",
    "user hears no_ticket",
    "user repeats recap",
    "user hears rate_limited of a rating",
    "user repeats create_ticket",
    "user repeats delivered",
    "staff hears ticket_picked",
    "staff hears ticket_updated",
    "staff hears ticket_removed",
    "staff hears ticket_closed",
    "staff hears message",
    "staff hears recap",
    "staff hears rated",
    "staff puts a recap behind what it has",
    "staff hears rate_limited",
    "staff hears rate_limited of a message",
    "staff hears unread_limit of a message",
    "staff hears not_yours of a message",
    "staff hears user_offline of a message",
    "staff hears at_capacity",
    "staff is closed 1006",
    "staff is closed 4409",
    "staff sends message again",
    "staff repeats go_online",
    "staff repeats pick_ticket",
];
/// Moments that a page replays in one command, which has to be answered in time.
const MOMENTS_AT_ONCE: usize = 200;
/// Moments that a failure tells of, before the one that was different.
const TOLD_BEFORE: usize = 6;

fn the_pages_do_what_their_model_in_the_simulation_does(source: Source) {
    let stage = Stage::new(source);
    let mut seen = BTreeSet::new();
    for seed in (u64::from(source == Source::Disk)..SEEDS).step_by(2) {
        for tab in tabs_of(seed) {
            let before = missing(&seen).len();
            note_seen(&mut seen, &tab);
            if missing(&seen).len() == before && seed >= ALL_OF {
                continue;
            }
            let kind = if matches!(tab.page, Page::Visitor(_)) { Kind::User } else { Kind::Staff };
            if let Err(problem) = replay(&stage, kind, &tab) {
                panic!("seed {seed}, {}: {problem}", tab.path());
            }
        }
        if missing(&seen).is_empty() && seed >= ALL_OF {
            return;
        }
    }
    panic!("in no world: {:?}; but {seen:?}", missing(&seen));
}

fn missing(seen: &BTreeSet<String>) -> Vec<&'static str> {
    SEEN.iter().filter(|what| !seen.contains(**what)).copied().collect()
}

/// What happened to a tab, in a word each.
fn note_seen(seen: &mut BTreeSet<String>, tab: &Tab) {
    let side = if matches!(tab.page, Page::Visitor(_)) { "user" } else { "staff" };
    let kind = |frame: &Value| {
        let is_error = frame["type"] == "error";
        let kind = if is_error { &frame["code"] } else { &frame["type"] };
        let of = match is_error {
            true if frame["id"].is_u64() => " of a message",
            true if side == "user" && frame["ticket_id"].is_string() => " of a rating",
            _ => "",
        };
        format!("{}{of}", kind.as_str().unwrap_or_default())
    };
    let mut before: Vec<Value> = Vec::new();
    for moment in tab.record.iter().flatten() {
        if let Event::Frame(frame) = &moment.event {
            seen.insert(format!("{side} hears {}", kind(frame)));
        }
        if moment.shows["chats"].as_array().into_iter().flatten().any(has_recap_behind_own) {
            seen.insert(format!("{side} puts a recap behind what it has"));
        }
        if let Event::Closed(code) = &moment.event {
            seen.insert(format!("{side} is closed {code}"));
        }
        for frame in &moment.sent {
            let is_again = frame["type"] == "message" && before.contains(frame);
            seen.insert(format!("{side} sends {}{}", kind(frame), if is_again { " again" } else { "" }));
            // A recap has more lines by then.
            let was_sent = frame["type"] == "recap" || before.contains(frame);
            if is_repeatable(frame) && moment.is_by_itself() && was_sent {
                seen.insert(format!("{side} repeats {}", kind(frame)));
            }
        }
        before.extend(moment.sent.iter().cloned());
    }
}

/// Whether a console shows lines of a recap, and messages of an earlier pick before them.
fn has_recap_behind_own(chat: &Value) -> bool {
    let messages = chat["messages"].as_str().unwrap_or_default();
    messages.find(['r', 'c']).is_some_and(|place| place > 0)
}

/// What a page sends again by itself, after a refusal that may not last.
fn is_repeatable(frame: &Value) -> bool {
    matches!(
        frame["type"].as_str(),
        Some("pick_ticket" | "create_ticket" | "close_ticket" | "go_online" | "delivered" | "recap")
    )
}

/// What a seed's pages did.
fn tabs_of(seed: u64) -> Vec<Tab> {
    let (mut setup, steps) = plan(seed, STEPS);
    setup.records = true;
    setup.has_staff_file = false; // a person keeps their token
    // In most worlds much is too fast, and only that.
    setup.payload_bytes_per_s = PAYLOAD_BYTES_PER_S;
    setup.limits_tickets = false;
    setup.messages_per_s = match seed % 3 {
        0 => MESSAGES_PER_S,
        1 => 5,
        _ => 2,
    };
    let mut world = World::new(setup, false);
    steps.iter().for_each(|step| world.step(step));
    world.quiesce();
    // Where all is slow, some messages still wait in the end.
    let is_late = |violation: &String| {
        setup.messages_per_s < MESSAGES_PER_S && violation.contains("neither delivered nor refused")
    };
    assert_eq!(world.violation.filter(|violation| !is_late(violation)), None, "seed {seed}");
    for record in world.tabs.iter_mut().filter_map(|tab| tab.record.as_mut()) {
        let end = record.iter().position(waits_for_the_world).unwrap_or(record.len());
        record.truncate(end);
    }
    world.tabs
}

/// Whether a page that is shown again should have connected by now. A page does so at once; a world whose process is stopped
/// may come to it after something else has happened. From then on the two cannot be compared.
fn waits_for_the_world(moment: &Moment) -> bool {
    let is_shown_again = matches!(moment.event, Event::Act(Act::Look(true)));
    is_shown_again && moment.shows["line"] == "retrying" && moment.sent.is_empty()
}

/// Has the real page do what the tab did.
fn replay(stage: &Stage, kind: Kind, tab: &Tab) -> Result<(), String> {
    let (name, person, came_from) = match &tab.page {
        Page::Visitor(user) => ("user", json!({ "id": user.id, "name": user.name }), &user.came_from),
        Page::Staffer(staff) => {
            let name = staff.name.clone().unwrap_or_default();
            ("staff", json!({ "id": staff.id, "token": staff.token, "name": name }), &None)
        }
    };
    let mut person = person;
    person.as_object_mut().expect("it is one").retain(|_, value| !value.is_null());
    let mut start = json!({ "kind": name, "person": person, "now": START, "hidden": false,
        "address": format!("ws://{}", stage.desk.server.addr) });
    let script = |start: &Value| format!("const START = {start};\n{}", include_str!("replay.js"));
    let page = stage.page(kind).before(&script(&start)).open();
    let moments = merged(tab.record.as_deref().unwrap_or_default());
    let loads: Vec<usize> = (0..moments.len()).filter(|at| moments[*at]["event"] == "loads").collect();
    for (nth, from) in loads.iter().copied().enumerate() {
        if from > 0 {
            start["now"] = moments[from]["at"].clone();
            start["hidden"] = (moments[from]["of"] == false).into();
            start["stored"] = page.eval("dispatchEvent(new Event('pagehide')), replay.stored"); // as by the reload
            page.replace_scripts(&script(&start));
            page.reload();
        }
        if let Some(page_of) = came_from {
            page.eval(&format!("embeddingPage = () => {}, 0", Value::from(page_of.as_str())));
        }
        let to = loads.get(nth + 1).copied().unwrap_or(moments.len());
        for (nth, some) in moments[from..to].chunks(MOMENTS_AT_ONCE).enumerate() {
            let problem = page.eval(&format!("replay.run({})", Value::from(some)));
            if !problem.is_null() {
                let index = problem["index"].as_u64().and_then(|index| usize::try_from(index).ok());
                let at = from + nth * MOMENTS_AT_ONCE + index.unwrap_or(0);
                let before = &moments[at.saturating_sub(TOLD_BEFORE)..=at];
                let before: Vec<String> = before.iter().map(Value::to_string).collect();
                return Err(format!("the page differs: {problem:#}\nafter\n{}", before.join("\n")));
            }
        }
    }
    Ok(())
}

/// The moments in which a page is there. What time brings at once is one of them.
fn merged(record: &[Moment]) -> Vec<Value> {
    let mut moments: Vec<Value> = Vec::new();
    for moment in record.iter().filter(|moment| !matches!(moment.event, Event::Leaves)) {
        let json = moment.json();
        match moments.last_mut() {
            Some(last) if json["event"] == "time" && last["event"] == "time" && last["at"] == json["at"] => {
                let sent = json["sent"].as_array().cloned().unwrap_or_default();
                last["sent"].as_array_mut().expect("frames").extend(sent);
                last["shows"] = json["shows"].clone();
                if moment.wait > 0.5 {
                    last["wait"] = json["wait"].clone();
                }
            }
            _ => moments.push(json),
        }
    }
    moments
}
