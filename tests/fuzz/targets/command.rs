//! Parses any text as a command of either role: nothing panics, and every command is within the limits.
#![no_main]

use deskwire::config::{RECAP_LINES_MAX, SUBJECT_CHARS_MAX, TEXT_CHARS_MAX};
use deskwire::protocol::{staff_command, user_command};
use deskwire::state::{StaffCommand, UserCommand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match user_command(text) {
        Ok((UserCommand::CreateTicket { subject, .. }, _)) => holds(subject.as_str(), SUBJECT_CHARS_MAX),
        Ok((UserCommand::Message { id, text: said }, _)) => {
            assert!(id > 0);
            holds(said.as_str(), TEXT_CHARS_MAX);
        }
        Ok((UserCommand::Recap(recap), _)) => assert!((1..=RECAP_LINES_MAX).contains(&recap.lines().len())),
        Ok(_) => {}
        Err(refusal) => _ = refusal.names.ticket,
    }
    match staff_command(text) {
        Ok((StaffCommand::Message { text: said, .. }, _)) => holds(said.as_str(), TEXT_CHARS_MAX),
        Ok(_) => {}
        Err(refusal) => _ = refusal.names.ticket,
    }
});

/// Asserts that a text in its JSON form is one JSON string of 1 to this many characters.
fn holds(json: &str, chars_max: usize) {
    let text: String = serde_json_string(json);
    assert!((1..=chars_max).contains(&text.chars().count()));
}

fn serde_json_string(json: &str) -> String {
    match staff_command(&format!(r#"{{"type":"transfer_ticket","ticket_id":"0000-0000","to":"{json}"}}"#)) {
        Ok((StaffCommand::TransferTicket { to, .. }, _)) => to.into_owned(),
        other => panic!("not a JSON string: {json:?}: {other:?}"),
    }
}
