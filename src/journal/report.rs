//! What `deskwire journal` prints: what a journal contains, and its texts only if they are asked for.

use std::fmt::Write;

use super::{History, Unusable};
use crate::config::Millis;
use crate::state::digest_text;

/// Checks a journal, and describes what is in it. `with_texts` appends all of its lines.
///
/// # Errors
/// Why it cannot be used.
pub fn report(bytes: &[u8], with_texts: bool) -> Result<String, Unusable> {
    let history = History::read(bytes)?;
    let counts = history.state.counts();
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| _ = writeln!(text, "{name:<14} {value}");
    line("snapshot", &format!("{} bytes, {}", history.snapshot_bytes, date(history.snapshot_at)));
    line("turns since", &history.turns);
    let inputs: Vec<String> = history.inputs.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    line("inputs since", &if inputs.is_empty() { "none".to_owned() } else { inputs.join(", ") });
    line("last written", &date(history.at));
    line(
        "tickets",
        &format!(
            "{} waiting, {} active, {} paused",
            counts.tickets_waiting, counts.tickets_active, counts.tickets_paused
        ),
    );
    line(
        "people",
        &format!(
            "{} users, {} staff, {} of them online",
            counts.users_known, counts.staff_known, counts.staff_online
        ),
    );
    line("whole", &format!("{} bytes", history.bytes));
    if history.torn_bytes > 0 {
        line("torn", &format!("{} bytes of a last write that was interrupted", history.torn_bytes));
    }
    line("digest", &digest_text(history.state.digest()));
    if with_texts {
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&bytes[..history.bytes]));
    }
    Ok(text)
}

fn date(at: Millis) -> impl std::fmt::Display {
    httpdate::HttpDate::from(std::time::UNIX_EPOCH + std::time::Duration::from_millis(at))
}
