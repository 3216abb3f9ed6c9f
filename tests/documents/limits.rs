//! Compares endpoints, codes and limits of PROTOCOL.md, and options of README, with the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::CommandFactory;
use deskwire::config::{self, Limits, Options};
use deskwire::state::ErrorCode;

use crate::support::document::{Document, Table, code};
use crate::support::schema::{PROTOCOL, Schema, Side};
use crate::support::{Desk, Request, Wire};
use crate::{between, compare, files, readme, root, words};

#[test]
fn every_error_code_is_in_the_table() {
    compare("error codes", &words("Error codes", "code"), &ErrorCode::ALL.map(ErrorCode::code).into());
}

#[test]
fn every_close_code_is_in_the_table_with_its_reason() {
    let mut reasons = BTreeSet::new();
    for file in files(&root().join("src"), "rs") {
        let text = fs::read_to_string(file).unwrap();
        for call in text.split("CloseReason::new(").skip(1) {
            let (code, rest) = call.split_once(',').unwrap();
            reasons.insert(format!("{} {}", code.trim(), rest.split('"').nth(1).unwrap()));
        }
    }
    let rows = PROTOCOL.table("Close codes", "code").rows.iter();
    compare("close codes", &rows.map(|row| format!("{} {}", row[0], row[1])).collect(), &reasons);
}

/// The constants of config.rs that peers cannot notice.
const INTERNAL: &[&str] = &[
    "BRAND_CHARS_MAX",
    "TOKEN_BYTES_MAX",
    "ACCENT_ON_LIGHT_CONTRAST_MIN",
    "ACCENT_ON_DARK_CONTRAST_MIN",
    "STATE_PART_BYTES",
    "SPARE_HELD_BYTES_MAX",
    "SPARE_HELD_BUFFER_BYTES_MAX",
    "SAME_WARNING_MS",
    "LOG_LINE_BYTES_MAX",
    "LOG_QUOTED_BYTES_MAX",
    "LOG_LINE_MS",
    "ACCEPT_RETRY_MS",
    "RECV_BYTES",
    "RECV_BYTES_MIN",
    "TURN_READS_MAX",
    "TURN_BYTES_MAX",
    "MESSAGE_COST_BYTES",
    "REQUEST_COST_BYTES",
    "FRAGMENT_COST_FACTOR",
    "FRONT_DEBT_BYTES",
    "CROWD_CONNECTIONS",
    "CROWD_RECV_BYTES",
    "WRITE_COST_BYTES",
    "TURN_DRAINED_BYTES_MAX",
    "TURN_EXPIRIES_MAX",
    "TICKET_TEXTS_BYTES_MIN",
    "TRIM_ITEMS_MIN",
    "TRIM_MS",
    "FLUSHED_AT_ONCE_MAX",
    "READ_BUFFER_BYTES",
    "WRITE_BUFFER_BYTES_MAX",
    "FRAGMENT_BYTES_MIN",
    "DEBT_LEAK_BYTES_PER_S",
    "EVENTS_PER_TURN",
    "SPARE_BUFFERS_MAX",
    "SPARE_BUFFER_BYTES_MAX",
    "OUTBOX_KEPT_BYTES",
    "OUTBOX_KEPT_ENTRIES",
    "TIDY_ENTRIES_MIN",
    "ACCEPTS_PER_TURN",
    "BACKLOG",
    "DESCRIPTORS_RESERVED",
    "STAFF_PER_TURN",
    "USERS_PER_TURN",
    "NOTICES_PER_TURN",
    "ALARMS_PER_TURN",
    "PICKS_REMEMBERED",
];

/// Constants of config, by name.
macro_rules! constants {
    ($($name:ident)*) => {
        BTreeMap::from([$((stringify!($name), config::$name.to_string().parse::<u64>().unwrap()),)*])
    };
}

/// All other limits, by name.
fn limits() -> BTreeMap<String, u64> {
    let constants = constants! {
        HEAD_BYTES_MAX PARTIAL_HEADS_BYTES_MAX HEAD_FIELDS_MAX HEAD_MS HTTP_MS CLOSING_MS CLOSING_BYTES_MAX LINGER_MS STALL_MS PONG_MS SHUTDOWN_MS
        OUTPUT_BEHIND_BYTES FRAGMENTS_BYTES_SLACK OVERFLOW_CONNECTIONS STAFF_PLACES ADDRESS_OVERFLOW
        CONNECTION_TICKETS_BURST CONNECTION_TICKET_MS ADDRESS_TICKETS_BURST ADDRESS_TICKET_MS SUBJECT_CHARS_MAX
        TEXT_CHARS_MAX NOTE_CHARS_MAX NAME_CHARS_MAX PAGE_CHARS_MAX RECAP_LINES_MAX SCORE_MIN SCORE_MAX MESSAGE_ID_MAX ID_BYTES_MAX HELD_MESSAGES_MAX
        HELD_BYTES_MAX CREDIT_BYTES WELCOME_TICKETS_MAX WELCOME_BYTES_MAX GATHER_MS BOARD_BYTES_PER_GATHER TICKET_TEXT_BYTES TYPING_MS QUEUE_NOTICE_MS
        MESSAGES_BURST_S PAYLOAD_BURST_S FLOOD_FACTOR
    };
    let mut limits: BTreeMap<String, u64> =
        constants.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let text = include_str!("../../src/config.rs");
    let names = text.split("pub const ").skip(1).map(|rest| rest.split_once(':').unwrap().0);
    let unsorted: Vec<&str> =
        names.filter(|name| !INTERNAL.contains(name) && !limits.contains_key(*name)).collect();
    assert!(unsorted.is_empty(), "does a peer notice {unsorted:?}?");
    // Does not compile if a limit is missing here: it belongs in the table, too.
    let Limits {
        message_bytes_max,
        ping_interval_ms,
        messages_per_s,
        payload_bytes_per_s,
        connections_max,
        overflow_connections: _, // has a constant
        connections_per_address_max,
    } = Limits::default();
    for (name, value) in [
        ("message_bytes_max", message_bytes_max as u64),
        ("ping_interval_ms", ping_interval_ms),
        ("messages_per_s", messages_per_s.into()),
        ("payload_bytes_per_s", payload_bytes_per_s.into()),
        ("connections_max", connections_max as u64),
        ("connections_per_address_max", connections_per_address_max.into()),
    ] {
        limits.insert(format!("Limits::{name}"), value);
    }
    for option in ["max-tickets", "max-chats"] {
        limits.insert(format!("--{option}"), default(&argument(option)).parse().unwrap());
    }
    limits
}

/// Converts "16 KiB", "10 s" or "4,000 characters" to the code's unit: bytes, milliseconds, or a count.
fn value(cell: &str, name: &str) -> u64 {
    let cell = cell.replace(',', "");
    let (number, unit) = cell.split_once(' ').unwrap_or((&cell, ""));
    let factor = match unit.split(' ').next() {
        Some("MiB") => 1024 * 1024,
        Some("KiB") => 1024,
        Some("s") if name.contains("_MS") || name.ends_with("_ms") => 1000,
        Some("min") if name.contains("_MS") => 60 * 1000,
        _ => 1,
    };
    number.parse::<u64>().unwrap_or_else(|_| panic!("no number: {cell:?}")) * factor
}

#[test]
fn every_limit_is_in_the_table_with_its_value() {
    let rows = PROTOCOL.table("Limits", "limit").rows.iter();
    let listed = rows.map(|row| {
        let name = row[2].trim_matches('`');
        (name.to_owned(), value(row[1], name))
    });
    compare("limits", &listed.collect(), &limits().into_iter().collect());
    let codes = words("Error codes", "code");
    let closes: BTreeSet<&str> =
        PROTOCOL.table("Close codes", "code").rows.iter().map(|row| row[0]).collect();
    for row in &PROTOCOL.table("Limits", "limit").rows {
        let is_error_code = |word: &str| codes.contains(word) || is_frame_type(word);
        assert!(code(row[3]).all(is_error_code), "{row:?}");
        let numbers = row[3].split(|c: char| !c.is_ascii_digit()).filter(|n| n.len() == 4);
        numbers.for_each(|number| assert!(closes.contains(number), "{row:?}"));
    }
}

/// Compares the constants of a file of limits with the table in a document.
fn compare_limits(document: &'static str, heading: &str, source: &str, in_code: &BTreeMap<&str, u64>) {
    let names = source.split("pub const ").skip(1).map(|rest| rest.split_once(':').unwrap().0);
    compare(heading, &in_code.keys().copied().collect(), &names.collect());
    let document = Document::parse(document);
    let rows = document.table(heading, "limit").rows.iter();
    let listed = rows.map(|row| {
        assert!(!row[3].is_empty(), "{row:?} has no reason");
        let name = row[2].trim_matches('`');
        (name, value(row[1], name))
    });
    compare(heading, &listed.collect(), &in_code.iter().map(|(name, value)| (*name, *value)).collect());
}

#[test]
fn every_limit_of_the_doctor_is_in_its_document_with_its_value() {
    let in_code = constants!(DOCTOR_STEP_MS DOCTOR_ANSWER_BYTES_MAX DOCTOR_CLOCK_MS DOCTOR_DESCRIPTORS_MIN);
    let source = include_str!("../../src/config/doctor.rs");
    compare_limits(include_str!("../../examples/host/doctor.md"), "Limits", source, &in_code);
}

#[cfg(feature = "journal")]
#[test]
fn every_limit_of_the_journal_is_in_its_document_with_its_value() {
    let in_code = constants!(
        JOURNAL_BYTES_MAX JOURNAL_AGE_MS JOURNAL_PART_MS JOURNAL_HEADER_BYTES_MAX JOURNAL_SYNC_MS
    );
    let source = include_str!("../../src/config/journal.rs");
    let document = include_str!("../../examples/host/options.md");
    compare_limits(document, "The journal's limits", source, &in_code);
}

#[cfg(feature = "redis")]
#[test]
fn every_limit_of_nodes_is_in_their_document_with_its_value() {
    let in_code = constants!(
        NODE_TICK_MS NODE_GONE_MS LOG_AWAY_MS REDIS_ANSWER_MS NODE_SUSPENDED_MS LOG_BLOCK_MS REDIS_RETRY_MS REDIS_RETRY_MS_MAX
        REDIS_LOOKUP_MS INPUTS_WAITING_BYTES_MAX ENTRY_BYTES_MAX APPENDS_IN_FLIGHT_MAX READ_ENTRIES_MAX REDIS_ANSWER_BYTES_MAX
        REDIS_RECV_BYTES
        REDIS_BUFFER_KEPT_BYTES RESP_DEPTH_MAX RESP_LINE_BYTES_MAX SNAPSHOT_BYTES_MAX SNAPSHOT_AGE_MS REDIS_PART_MS ENTRIES_KEPT_MS
        DIGEST_MS
    );
    let source = include_str!("../../src/config/redis.rs");
    compare_limits(include_str!("../../examples/host/nodes.md"), "Limits", source, &in_code);
}

fn is_frame_type(kind: &str) -> bool {
    [Side::User, Side::Staff].iter().any(|side| Schema::sent_to(*side).frames.contains_key(kind))
}

fn argument(long: &str) -> clap::Arg {
    let command = Options::command();
    let argument = command.get_arguments().find(|argument| argument.get_long() == Some(long));
    argument.unwrap_or_else(|| panic!("no option --{long}")).clone()
}

/// The default of an option, from clap or from its help text.
fn default(argument: &clap::Arg) -> String {
    let values: Vec<_> = argument.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    match help.split_once("[default:") {
        Some((_, last)) => last.trim_end_matches(']').trim().to_owned(),
        None => values.join(","),
    }
}

#[test]
fn every_option_is_in_its_document_with_its_default_and_the_readme_says_the_same() {
    let command = Options::command();
    let options = command.get_arguments().filter(|argument| argument.get_long().is_some());
    let options = options.map(|argument| {
        let long = argument.get_long().unwrap();
        let variable = format!("DESKWIRE_{}", long.replace('-', "_").to_uppercase());
        assert_eq!(argument.get_env().unwrap().to_str(), Some(variable.as_str()));
        let name = argument.get_value_names().unwrap()[0].as_str();
        (format!("--{long} {name}"), default(argument))
    });
    let document = Document::parse(include_str!("../../examples/host/options.md"));
    let table = document.table("Options", "option");
    let listed = |table: &Table| -> BTreeSet<(String, String)> {
        table.rows.iter().map(|row| (row[0].replace('`', ""), row[1].replace('`', ""))).collect()
    };
    let (of_tls, others): (BTreeSet<_>, BTreeSet<_>) =
        options.partition(|(name, _)| name.starts_with("--tls-"));
    compare("options", &listed(table), &others);
    if cfg!(feature = "tls") {
        compare("options of TLS", &listed(document.table("TLS without a proxy", "option")), &of_tls);
    }
    for row in &readme().table("Options", "option").rows {
        assert!(table.rows.contains(row), "examples/host/options.md has not {row:?}");
    }
    let assign = argument("assign");
    let row = table.rows.iter().find(|row| row[0].contains("--assign"));
    let values = assign.get_possible_values();
    assert!(values.iter().all(|value| code(row.unwrap()[2]).any(|word| word == value.get_name())));
}

#[test]
fn every_endpoint_answers_as_the_table_says() {
    let desk = Desk::start();
    let ask = |request: Request| Wire::ask(desk.server.addr, &request).1.status;
    for row in &PROTOCOL.table("Endpoints", "request").rows {
        let paths = code(row[0]).map(|request| request.strip_prefix("GET ").unwrap());
        let paths = paths.map(|path| path.replace("{user_id}", "ann").replace("{staff_id}", "sam"));
        for path in paths {
            let (request, status) = match row[0].contains("handshake") {
                true => (Request::upgrade(&path), 101),
                false => (Request::get(&path), 200),
            };
            assert_eq!(ask(request), status, "{path}");
        }
        let other = match row[0] {
            "the same without a handshake" => Request::get("/ws/user/ann"),
            "any other path" => Request::get("/other"),
            "any other method" => Request::new("PUT", "/"),
            named => {
                assert!(named.starts_with('`'), "{named:?} is asked for here too");
                continue;
            }
        };
        assert!(row[1].starts_with(&ask(other).to_string()), "{row:?}");
    }
    let statuses = between(include_str!("../../src/net/response.rs"), "pub enum Status {", "}");
    for status in statuses.split(" = ").skip(1).map(|rest| &rest[..3]) {
        assert!(PROTOCOL.text.contains(&format!(" {status}")), "{status} is not in the document");
    }
}
