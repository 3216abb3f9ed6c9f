//! The texts of all messages: who sent them in which ticket, and whether they were shown. Each text is sent once, and starts
//! with its number.

use std::fmt::Write;

/// The ticket of a text whose sender does not know it.
pub const UNSURE: &str = "?";

#[derive(Default)]
pub struct Ledger {
    sent: Vec<Sent>,
    pub violation: Option<String>,
    pub delivered: u64,
}

/// A text that was sent.
struct Sent {
    ticket: String,
    by_user: bool,
    is_shown: bool,
}

impl Ledger {
    /// Makes a new text of about this length. It does not end with a space, since pages cut these off.
    pub fn text(&mut self, ticket: &str, by_user: bool, length: usize, filling: &str) -> String {
        let mut text = format!("#{} ", self.sent.len());
        while text.len() < length {
            text.push_str(filling);
        }
        text.truncate(text.trim_end().len());
        self.sent.push(Sent { ticket: ticket.to_owned(), by_user, is_shown: false });
        text
    }

    /// A page shows what the other side wrote.
    pub fn show(&mut self, text: &str, ticket: &str, to_user: bool) {
        let Some(sent) = number(text).and_then(|number| self.sent.get_mut(number)) else {
            return self.note_violation(format_args!("shown, and sent by nobody: {text:?}"));
        };
        sent.is_shown = true;
        if (sent.ticket != ticket && sent.ticket != UNSURE) || sent.by_user == to_user {
            self.note_violation(format_args!(
                "{text:?} is shown in {ticket}, and was sent in another ticket or by the same side"
            ));
        }
    }

    /// A page shows a text of its own as delivered.
    pub fn deliver(&mut self, text: &str) {
        self.delivered += 1;
        if number(text).and_then(|number| self.sent.get(number)).is_some_and(|sent| !sent.is_shown) {
            self.note_violation(format_args!(
                "{text:?} is shown as delivered, and the other side does not show it"
            ));
        }
    }

    pub fn note_violation(&mut self, what: std::fmt::Arguments<'_>) {
        if self.violation.is_none() {
            let mut text = String::new();
            let _ = write!(text, "{what}");
            self.violation = Some(text);
        }
    }
}

fn number(text: &str) -> Option<usize> {
    text.strip_prefix('#')?.split(' ').next()?.parse().ok()
}
