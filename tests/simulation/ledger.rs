//! What was said, where it was shown, and what each side was sent of that. Every text is said once, and starts with its
//! number.

use std::fmt::Write;

/// Said by somebody who does not know in which ticket.
pub const UNSURE: &str = "?";

#[derive(Default)]
pub struct Ledger {
    said: Vec<Said>,
    pub violation: Option<String>,
    pub delivered: u64,
}

struct Said {
    ticket: String,
    by_user: bool,
    is_shown: bool,
}

impl Ledger {
    /// A new text, of about this length. No page sends spaces at the end.
    pub fn text(&mut self, ticket: &str, by_user: bool, length: usize, filling: &str) -> String {
        let mut text = format!("#{} ", self.said.len());
        while text.len() < length {
            text.push_str(filling);
        }
        text.truncate(text.trim_end().len());
        self.said.push(Said { ticket: ticket.to_owned(), by_user, is_shown: false });
        text
    }

    /// A page shows what the other side wrote.
    pub fn show(&mut self, text: &str, ticket: &str, to_user: bool) {
        let Some(said) = number(text).and_then(|number| self.said.get_mut(number)) else {
            return self.accuse(format_args!("shown, and said by nobody: {text:?}"));
        };
        said.is_shown = true;
        if (said.ticket != ticket && said.ticket != UNSURE) || said.by_user == to_user {
            self.accuse(format_args!("{text:?} is shown in {ticket}, and was said elsewhere"));
        }
    }

    /// A page shows that the other side has it.
    pub fn deliver(&mut self, text: &str) {
        self.delivered += 1;
        if number(text).and_then(|number| self.said.get(number)).is_some_and(|said| !said.is_shown) {
            self.accuse(format_args!("{text:?} is shown as delivered, and nobody has it"));
        }
    }

    pub fn accuse(&mut self, what: std::fmt::Arguments<'_>) {
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
