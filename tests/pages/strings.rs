//! The tables of texts: every text that a page uses is there in each language, and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::source::{self, Page, literals, values_after};
use crate::{Names, no_difference, pages};

type Table = BTreeMap<String, Value>;

/// The texts whose names a script computes: a prefix, the page (or both), and what follows the prefix.
const FAMILIES: &[(&str, &str, &[&str])] = &[
    ("status-", "", &["connecting", "open", "stopped"]),
    ("notice-", "", &["lost", "full", "restarting", "failed", "elsewhere", "bad-address"]),
    ("notice-", "user.html", &["not-yours"]),
    ("state-", "", &["queued", "sending", "sent", "delivered", "failed"]),
    ("state-", "staff.html", &["waiting", "mine", "paused", "taken"]),
    ("hold-", "", &["unread_limit", "rate_limited"]),
    ("why-", "", &["closed", "unsure", "other"]),
    ("why-", "user.html", &["staff_offline"]),
    ("why-", "staff.html", STAFF_REFUSALS),
    ("by-", "", &["user", "staff", "timeout"]),
    ("line-", "", &["joined", "offline", "online", "left", "closed", "ended", "lost", "back"]),
    ("line-", "user.html", &["created", "reconnected", "restarted", "gone"]),
    ("line-", "staff.html", &["recap", "rated", "auto", "transferred", "note", "taken", "elsewhere"]),
    ("lock-", "", &["lost", "closed"]),
    ("lock-", "user.html", &["waiting", "staff-offline", "staff-back"]),
    ("lock-", "staff.html", &["elsewhere", "repick", "user-offline"]),
    ("asking-", "user.html", &["lost", "rate_limited", "desk_full"]),
    ("chat-", "staff.html", &["active", "repick", "taken", "closed"]),
    ("notify-", "staff.html", &["granted", "denied", "default", "missing"]),
    ("outcome-", "staff.html", &["picked", "auto", "transferred"]),
    (
        "problem-",
        "staff.html",
        &["pick_ticket", "release_ticket", "transfer_ticket", "close_ticket", "go_online", "go_offline"],
    ),
];
const STAFF_REFUSALS: &[&str] = &[
    "staff_offline",
    "user_offline",
    "you_are_offline",
    "no_ticket",
    "not_yours",
    "too_long",
    "rate_limited",
    "ticket_taken",
    "at_capacity",
    "colleague_full",
    "unknown_staff",
];
/// Where a part of a computed name may come from, besides the page's own scripts.
const GIVEN: [&str; 2] = [include_str!("../../src/protocol/PROTOCOL.md"), "`granted` `denied` `default`"];

/// The files with texts. The first is shared, the second the user's page's; the others are the staff's.
const TABLES: [&str; 4] = ["strings.js", "strings-user.js", "strings-staff.js", "strings-staff-events.js"];

#[test]
fn every_text_is_used_and_every_text_that_is_used_exists() {
    for page in pages() {
        let there: Names = tables(&page).into_iter().flat_map(Table::into_keys).collect();
        let used = used(&page, &there);
        no_difference(&format!("texts of {} that nothing uses", page.name), &there, &used);
        no_difference(&format!("texts that {} has not", page.name), &used, &there);
    }
}

#[test]
fn every_computed_name_is_of_a_family() {
    for page in pages() {
        for (prefix, _, parts) in FAMILIES.iter().filter(|family| concerns(family, &page)) {
            assert!(page.scripts.contains(&format!("\"{prefix}\" + ")), "{} computes no {prefix}", page.name);
            for part in *parts {
                let is_given = GIVEN.iter().any(|text| text.contains(&format!("`{part}`")));
                let is_named = has_word(&page.scripts, part);
                assert!(is_given || is_named, "where does {} get {part} of {prefix} from?", page.name);
            }
        }
        let there: Names = tables(&page).into_iter().flat_map(Table::into_keys).collect();
        let computed = page.scripts.match_indices("-\" + ").map(|(at, _)| {
            let start = page.scripts[..at].rfind('"').expect("a literal begins") + 1;
            &page.scripts[start..=at]
        });
        for prefix in computed.filter(|prefix| there.iter().any(|name| name.starts_with(prefix))) {
            assert!(FAMILIES.iter().any(|(known, _, _)| *known == prefix), "{prefix} is no family yet");
        }
    }
}

#[test]
fn no_text_stands_in_two_tables() {
    let [shared, user, controls, events] = TABLES.map(table);
    let twin = controls.keys().find(|name| events.contains_key(*name));
    assert_eq!(twin, None, "a name means one text");
    let staff: Table = controls.into_iter().chain(events).collect();
    for (one, other) in [(&shared, &user), (&shared, &staff), (&user, &staff)] {
        for (name, texts) in one {
            let twin = other.iter().find(|(_, others)| *others == texts);
            assert!(twin.is_none(), "{name} and {:?} are the same", twin.map(|(name, _)| name));
        }
    }
    for own in [user, staff] {
        assert!(own.keys().all(|name| !shared.contains_key(name)), "a name means one text on a page");
    }
}

#[test]
fn every_text_is_there_in_every_language_with_the_same_places_to_fill_in() {
    let languages = table("strings.js")["languages"].as_array().expect("a list").len();
    assert!(languages >= 3);
    for (name, texts) in TABLES.into_iter().flat_map(table) {
        let texts = texts.as_array().expect("a list");
        assert_eq!(texts.len(), languages, "{name}");
        let places: Vec<Names> = texts.iter().map(|text| places(&name, text)).collect();
        assert!(places.windows(2).all(|two| two[0] == two[1]), "{name}: {places:?}");
    }
}

/// The names in braces, of all plural forms together.
fn places(name: &str, text: &Value) -> Names {
    let forms: Vec<&Value> = text.as_object().map_or(vec![text], |forms| forms.values().collect());
    let texts = forms.iter().map(|form| form.as_str().expect("a text"));
    let all: Vec<&str> = texts.inspect(|text| assert!(!text.trim().is_empty(), "{name} is empty")).collect();
    all.join(" ")
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn concerns((_, of, _): &(&str, &str, &[&str]), page: &Page) -> bool {
    of.is_empty() || *of == page.name
}

/// The names of the texts that a page uses: those in its HTML, those that scripts name whole, and the families.
fn used(page: &Page, there: &Names) -> Names {
    let attributes = ["data-text", "data-label", "data-hint"];
    let in_html = attributes.iter().flat_map(|name| values_after(&page.html, &format!("{name}=\"")));
    let made = attributes.iter().flat_map(|name| values_after(&page.scripts, &format!("\"{name}\": \"")));
    let computed = FAMILIES.iter().filter(|family| concerns(family, page));
    let computed =
        computed.flat_map(|(prefix, _, parts)| parts.iter().map(move |part| format!("{prefix}{part}")));
    let called = ["t(\"", "tOr(\""].iter().flat_map(|call| calls(&page.scripts, call));
    // Names that are passed on, such as those of the keys' help, are whole literals too.
    let mentioned = literals(&page.scripts).into_iter().filter(|text| there.contains(text));
    let always = source::names(&["languages", "languageName"]);
    in_html.chain(made).chain(computed).chain(called).chain(mentioned).chain(always).collect()
}

/// The names that are the whole first argument of a call.
fn calls(scripts: &str, call: &str) -> Vec<String> {
    let starts = scripts
        .match_indices(call)
        .filter(|(at, _)| !scripts[..*at].ends_with(|c: char| c.is_alphanumeric()));
    let arguments = starts.filter_map(|(at, _)| scripts[at + call.len()..].split_once('"'));
    arguments.filter(|(_, rest)| rest.starts_with([',', ')'])).map(|(name, _)| name.to_owned()).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

/// The shared table and the page's own.
fn tables(page: &Page) -> Vec<Table> {
    page.files.iter().filter(|file| file.starts_with("strings")).map(|file| table(file)).collect()
}

/// The table of a file. It is JSON, except for names without quotation marks and trailing commas.
fn table(file: &str) -> Table {
    let text = source::read(file);
    let (_, body) = text.split_once("{\n").expect("the table begins");
    let (body, _) = body.rsplit_once('}').expect("the table ends");
    let mut json = String::from("{");
    for line in body.lines().map(str::trim_start) {
        let (name, rest) = line.split_once(": ").unwrap_or_default();
        let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        json += &if is_bare { format!("\"{name}\": {rest}") } else { line.to_owned() };
    }
    let json = ["one", "other"]
        .iter()
        .fold(json, |json, form| json.replace(&format!(" {form}: "), &format!(" \"{form}\": ")));
    let json = (json + "}").replace(",]", "]").replace(",}", "}");
    serde_json::from_str(&json).unwrap_or_else(|e| panic!("{file} is no table: {e}"))
}
