//! Shows that the model accuses: what the desk has sent is falsified on its way to the model, in one way at a time, and the
//! model has to say what is wrong.
//!
//! The planted bugs show that whatever breaks a promise is found by some check. Here each check has to be the one that finds it.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::adversary::NOT_KEPT;
use crate::disk::Shared;
use crate::ledger::Ledger;
use crate::model::wants::Call;
use crate::plan::plan;
use crate::run::run;

const STEPS: usize = 150;
/// Worlds in which an accusation is waited for. A false answer is mostly found by the first of them.
const SEEDS: u64 = 120;

/// What the accusation says, and what makes it true.
type Case = (&'static str, fn(&mut Call));

const CASES: [Case; 23] = [
    // Answers: what is missing, what is too much, and what comes too early.
    ("was not sent {\"at\"", |call| leave_out(call, "ack")),
    ("without a reason", |call| twice(call, "pong")),
    (" before {", |call| call.sent.reverse()),
    ("was not sent Error", |call| leave_out(call, "error")),
    ("was not sent {\"active\":false", |call| {
        call.sent.retain(|sent| sent.frame["type"] != "typing" || sent.frame["active"] == true);
    }),
    // Identities.
    ("a session too short, or given before", |call| {
        change(call, "welcome", |frame| frame["session"] = "5ec2e7".into());
    }),
    ("got no ticket, or an id that was given before", |call| {
        change(call, "ticket_created", |frame| frame["ticket_id"] = Value::Null);
    }),
    ("online are", |call| {
        change(call, "welcome", |frame| {
            if frame["role"] == "staff" {
                frame["staff"] = json!(["nobody"]);
            }
        });
    }),
    // Places in the queue.
    ("an estimate of", |call| change(call, "queue", |frame| frame["wait_s"] = 1_000_000.into())),
    ("is right", |call| {
        if !has(call, "ticket_created") {
            change(call, "queue", |frame| frame["position"] = 77.into());
        }
    }),
    ("and no such ticket waits", |call| {
        if !has(call, "ticket_created") {
            change(call, "queue", |frame| frame["ticket_id"] = "0000-0000".into());
        }
    }),
    ("ms after the one before", |call| {
        if !has(call, "ticket_created") {
            twice(call, "queue");
        }
    }),
    ("has been wrong for", |call| {
        if !has(call, "ticket_created") {
            leave_out(call, "queue");
        }
    }),
    // Boards and presence.
    ("was sent {\"online\"", |call| {
        change(call, "desk", |frame| frame["online"] = (frame["online"] != true).into());
    }),
    ("a user was not sent whether staff are online", |call| leave_out(call, "desk")),
    ("is shown", |call| leave_out(call, "ticket_added")),
    ("was not sent their own ticket at once", |call| leave_out(call, "ticket_updated")),
    ("known is", |call| change(call, "ticket_added", |frame| frame["ticket"]["since"] = 1.into())),
    // Assignments.
    ("assigned without a reason", |call| {
        change(call, "ticket_picked", |frame| frame["auto"] = true.into());
    }),
    ("went to none of", |call| leave_out(call, "ticket_picked")),
    ("went to []", |call| {
        let picks = call.sent.iter_mut().filter(|sent| sent.frame["type"] == "ticket_picked");
        picks.for_each(|sent| sent.to.clear());
    }),
    // Slow readers.
    ("is sent no more after", |call| {
        call.asked.extend(call.sent.iter().flat_map(|sent| sent.to.clone()));
    }),
    ("and the desk had not asked to be notified", |call| {
        call.sent.iter_mut().for_each(|sent| sent.bytes = 0);
        call.asked.clear();
    }),
];

/// Those that need a whole world which asks for much, or SIGHUP.
const RARE: [Case; 2] = [
    ("that it may not have read", |call| call.sent.iter_mut().for_each(|sent| sent.bytes *= 20)),
    ("were closed; right is", |call| call.closed.iter_mut().for_each(|(_, code)| *code = 1000)),
];

fn leave_out(call: &mut Call, kind: &str) {
    call.sent.retain(|sent| sent.frame["type"] != kind);
}

fn has(call: &Call, kind: &str) -> bool {
    call.sent.iter().any(|sent| sent.frame["type"] == kind)
}

fn twice(call: &mut Call, kind: &str) {
    let again = call.sent.iter().filter(|sent| sent.frame["type"] == kind);
    let again: Vec<_> = again.map(|sent| (sent.to.clone(), sent.bytes, Rc::clone(&sent.frame))).collect();
    for (to, bytes, frame) in again {
        call.sent.push(crate::model::wants::Sent { to, bytes, frame });
    }
}

fn change(call: &mut Call, kind: &str, how: fn(&mut Value)) {
    for sent in call.sent.iter_mut().filter(|sent| sent.frame["type"] == kind) {
        how(Rc::make_mut(&mut sent.frame));
    }
}

#[test]
fn what_is_falsified_on_its_way_to_the_model_is_what_it_accuses_the_desk_of() {
    let unheard = CASES.iter().chain(&RARE).filter_map(|(accusation, falsify)| {
        let mut others = Vec::new();
        for seed in 0..SEEDS {
            let (mut setup, steps) = plan(seed, STEPS);
            setup.falsifies = Some(*falsify);
            match run(setup, &steps, false) {
                Err(failure) if failure.what.contains(accusation) => return None,
                Err(failure) => others.push(failure.what.chars().take(200).collect::<String>()),
                Ok(_) => {}
            }
        }
        others.truncate(3);
        Some((accusation, others))
    });
    let unheard: Vec<_> = unheard.collect();
    assert!(unheard.is_empty(), "{unheard:#?}");
}

#[test]
fn the_ledger_accuses_who_shows_what_nobody_wrote_or_calls_delivered_what_nobody_has_seen() {
    let accusation = |happens: fn(&mut Ledger)| {
        let mut ledger = Ledger::default();
        ledger.text("7K2M-Q4XH", true, 20, "hello ");
        happens(&mut ledger);
        ledger.violation.unwrap_or_default()
    };
    assert_eq!(accusation(|ledger| ledger.show("#0 hello", "7K2M-Q4XH", false)), "");
    assert!(accusation(|ledger| ledger.show("#1 hello", "7K2M-Q4XH", false)).contains("sent by nobody"));
    assert!(accusation(|ledger| ledger.show("#0 hello", "7K2M-Q4XH", true)).contains("by the same side"));
    assert!(accusation(|ledger| ledger.show("#0 hello", "0000-0000", false)).contains("in another ticket"));
    assert!(accusation(|ledger| ledger.deliver("#0 hello")).contains("does not show it"));
}

#[test]
fn the_disk_accuses_who_writes_a_recap_to_it_and_who_answers_before_it() {
    use deskwire::journal::{Place, Store};
    let mut disk = Shared::default();
    disk.append(Place::Current, b"a line of the journal").expect("memory");
    disk.0.borrow_mut().check_write();
    assert_eq!(disk.0.borrow_mut().violation.take(), None);
    disk.append(Place::Next, format!("text: {NOT_KEPT}").as_bytes()).expect("memory");
    assert!(disk.0.borrow_mut().violation.take().is_some_and(|what| what.contains("recap")));
    disk.0.borrow_mut().is_ahead = true;
    disk.0.borrow_mut().check_write();
    assert!(disk.0.borrow_mut().violation.take().is_some_and(|what| what.contains("before the journal")));
}
