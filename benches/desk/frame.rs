//! The fields of a server's frame that a bench looks at, found in one pass without building anything.

/// The kinds of frames that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Welcome,
    Desk,
    TicketCreated,
    Queue,
    StaffJoined,
    StaffLeft,
    StaffOffline,
    Message,
    Ack,
    Delivered,
    TicketClosed,
    Presence,
    Colleague,
    TicketAdded,
    TicketUpdated,
    TicketRemoved,
    TicketPicked,
    Error,
    Pong,
    Other,
}

impl Kind {
    pub(crate) const COUNT: usize = Self::Other as usize + 1;

    fn named(name: &str) -> Self {
        match name {
            "message" => Self::Message,
            "ack" => Self::Ack,
            "welcome" => Self::Welcome,
            "desk" => Self::Desk,
            "ticket_created" => Self::TicketCreated,
            "queue" => Self::Queue,
            "staff_joined" => Self::StaffJoined,
            "staff_left" => Self::StaffLeft,
            "staff_offline" => Self::StaffOffline,
            "delivered" => Self::Delivered,
            "ticket_closed" => Self::TicketClosed,
            "presence" => Self::Presence,
            "colleague" => Self::Colleague,
            "ticket_added" => Self::TicketAdded,
            "ticket_updated" => Self::TicketUpdated,
            "ticket_removed" => Self::TicketRemoved,
            "ticket_picked" => Self::TicketPicked,
            "error" => Self::Error,
            "pong" => Self::Pong,
            _ => Self::Other,
        }
    }
}

/// A frame from the server. Fields that it does not have are empty or 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) ticket: &'a str,
    pub(crate) id: u64,
    pub(crate) seq: u64,
    pub(crate) text: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) session: &'a str,
}

impl<'a> Frame<'a> {
    /// Reads JSON without spaces. Fields of nested objects are read as if they were the frame's own. That is right for
    /// every field that is used here: nobody reads the list of tickets in a welcome.
    pub(crate) fn read(json: &'a str) -> Self {
        let mut frame =
            Frame { kind: Kind::Other, ticket: "", id: 0, seq: 0, text: "", subject: "", session: "" };
        let mut rest = json;
        while let Some((name, after)) = quoted(rest) {
            let Some(value) = after.strip_prefix(':') else {
                rest = after; // a text in a list
                continue;
            };
            let (text, number);
            if let Some((string, after)) = quoted(value).filter(|_| value.starts_with('"')) {
                (text, number, rest) = (string, 0, after);
            } else {
                let digits = value.bytes().take_while(u8::is_ascii_digit);
                number = digits.fold(0_u64, |all, digit| all.wrapping_mul(10) + u64::from(digit - b'0'));
                (text, rest) = ("", value);
            }
            match name {
                "type" => frame.kind = Kind::named(text),
                "ticket_id" => frame.ticket = text,
                "id" => frame.id = number,
                "seq" => frame.seq = number,
                "text" => frame.text = text,
                "subject" => frame.subject = text,
                "session" => frame.session = text,
                _ => {}
            }
        }
        frame
    }
}

/// The next string, raw as between its quotes, and the rest after it.
fn quoted(json: &str) -> Option<(&str, &str)> {
    let (_, string) = json.split_once('"')?;
    let mut from = 0;
    loop {
        let end = from + string[from..].find('"')?;
        let backslashes = string[..end].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some((&string[..end], &string[end + 1..]));
        }
        from = end + 1;
    }
}
