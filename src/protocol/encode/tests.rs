use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::ids::{JsonPieces, JsonText, StaffId, UserId};
use crate::state::{Place, Recap, Session};

fn written(event: &Event<'_>) -> Value {
    let mut out = Vec::new();
    append_event(&mut out, event);
    assert!(out.len() + 4 <= event.bytes_max(), "{} bytes of {}", out.len(), event.bytes_max());
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_message_in_two_pieces_is_one_text() {
    let sam = StaffId::parse("sam").unwrap();
    let message = MessageView {
        seq: 3,
        from: Participant::Staff(StaffName { id: &sam, name: None }),
        id: 1,
        text: JsonPieces::from_ring(r#"a \"quo"#.as_bytes(), r#"te\""#.as_bytes()),
        at: 9,
    };
    assert_eq!(
        written(&Event::Message { ticket: TicketId::from_bits(1), message }),
        json!({"type": "message", "ticket_id": "0000-0001", "seq": 3, "from": "staff", "sender_id": "sam",
            "sender_name": null, "id": 1, "text": "a \"quote\"", "at": 9})
    );
}

#[test]
fn a_welcome_without_a_ticket_says_null() {
    let user = UserId::parse("ann").unwrap();
    let welcome = UserWelcome {
        user: &user,
        session: Session::parse("s3cret").unwrap(),
        resumed: false,
        now: 5,
        desk_online: true,
        ticket: None,
        ended: None,
    };
    assert_eq!(
        written(&Event::UserWelcome(welcome)),
        json!({"type": "welcome", "protocol": 1, "role": "user", "user_id": "ann", "session": "s3cret",
            "resumed": false, "now": 5, "desk_online": true, "ticket": null, "ended": null})
    );
}

#[test]
fn a_board_is_an_array_of_tickets() {
    let (user, staff) = (UserId::parse("ann").unwrap(), StaffId::parse("sam").unwrap());
    let [subject, name] =
        [r"tab\t", "Ann M\u{fc}ller"].map(|text| JsonText::from_parsed(Cow::Borrowed(text)));
    let sam = StaffName { id: &staff, name: Some(name.as_json()) };
    let view = TicketView {
        ticket: TicketId::from_bits(2),
        user: &user,
        user_name: Some(name.as_json()),
        subject: subject.as_json(),
        page: None,
        state: TicketState::Paused,
        staff: Some(sam),
        user_online: false,
        created_at: 4,
        since: 5,
    };
    let ticket = json!({"ticket_id": "0000-0002", "user_id": "ann", "user_name": "Ann M\u{fc}ller",
        "subject": "tab\t", "page": null, "state": "paused", "staff_id": "sam", "staff_name": "Ann M\u{fc}ller",
        "user_online": false, "created_at": 4, "since": 5});
    let welcome = StaffWelcome {
        staff: StaffName { id: &staff, name: None },
        now: 5,
        max_chats: 3,
        assign: Assign::LeastBusy,
        tickets: &[view, view],
        more: 7,
        colleagues: &[sam],
    };
    assert_eq!(
        written(&Event::StaffWelcome(welcome)),
        json!({"type": "welcome", "protocol": 1, "role": "staff", "staff_id": "sam", "staff_name": null,
            "online": false, "now": 5, "max_chats": 3, "assign": "least-busy", "tickets": [ticket, ticket],
            "more": 7, "staff": ["sam"],
            "colleagues": [{"staff_id": "sam", "staff_name": "Ann M\u{fc}ller"}]})
    );
}

#[test]
fn an_error_echoes_what_it_is_about() {
    let names = Names { id: Some(IdRef::Id(4)), ticket: Some(TicketRef::Unknown("a\"b".into())) };
    assert_eq!(
        written(&Event::Error { code: ErrorCode::NoTicket, names: &names }),
        json!({"type": "error", "code": "no_ticket", "message": "there is no such ticket", "id": 4,
            "ticket_id": "a\"b"})
    );
}

#[test]
fn the_frames_of_a_chat_are_no_longer_than_their_upper_bounds() {
    let ticket = TicketId::from_bits(u64::MAX);
    let place = Place { position: u64::MAX, waiting: u64::MAX, wait_s: Some(u64::MAX) };
    for event in [
        Event::Ack { ticket, id: u64::MAX, seq: Some(u64::MAX), at: u64::MAX },
        Event::Delivered { ticket, seq: u64::MAX, at: u64::MAX },
        Event::Typing { ticket, active: false },
        Event::Queue { ticket, place },
        Event::TicketClosed { ticket, by: ClosedBy::Timeout, at: u64::MAX },
    ] {
        written(&event); // compares it with `bytes_max`
    }
}

#[test]
fn a_recap_is_no_longer_than_its_upper_bound() {
    let line = |from, name: Option<&'static str>| RecapLine {
        from,
        name: name.map(|name| JsonText::from_parsed(Cow::Borrowed(name))),
        text: JsonText::from_parsed(Cow::Owned("a \"quote\"".into())),
        at: u64::MAX,
    };
    let lines = [line(Side::User, None), line(Side::Staff, Some("Sam"))];
    let many = Recap::new(lines.iter().cycle().take(100).cloned().collect());
    written(&Event::Recap { ticket: TicketId::from_bits(1), recap: &many }); // compares it with `bytes_max`
    assert_eq!(
        written(&Event::Recap { ticket: TicketId::from_bits(1), recap: &Recap::new(lines.into()) }),
        json!({"type": "recap", "ticket_id": "0000-0001", "lines": [
            {"from": "user", "name": null, "text": "a \"quote\"", "at": u64::MAX},
            {"from": "staff", "name": "Sam", "text": "a \"quote\"", "at": u64::MAX}]})
    );
}

/// Each of these 16 characters takes six bytes in JSON.
const CONTROLS: &str = "\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}";

#[test]
fn frames_with_the_longest_ids_and_texts_are_no_longer_than_their_upper_bounds() {
    let ticket = TicketId::from_bits(u64::MAX);
    let id = "i".repeat(64);
    let (user, staff) = (UserId::parse(&id).unwrap(), StaffId::parse(&id).unwrap());
    let long = JsonText::from_parsed(Cow::Owned("x".repeat(2_000)));
    let [named, unnamed] = [Some(long.as_json()), None].map(|name| StaffName { id: &staff, name });
    let [text, unknown] = ["9".repeat(300), CONTROLS.repeat(100)];
    let view = TicketView {
        ticket,
        user: &user,
        user_name: named.name,
        subject: long.as_json(),
        page: named.name,
        state: TicketState::Waiting,
        staff: Some(named),
        user_online: false,
        created_at: u64::MAX,
        since: u64::MAX,
    };
    let (subject, at) = (long.as_json(), u64::MAX);
    for staff in [named, unnamed] {
        let picked = Picked {
            ticket,
            user: &user,
            user_name: named.name,
            subject,
            page: named.name,
            last_seq: u64::MAX,
            last_id: u64::MAX,
            delivered_seq: u64::MAX,
            at,
            auto: false,
            from_staff: Some(staff),
            note: staff.name,
        };
        let welcome = StaffWelcome {
            staff,
            now: at,
            max_chats: u32::MAX,
            assign: Assign::RoundRobin,
            tickets: &[view; 3],
            more: usize::MAX,
            colleagues: &[staff; 50],
        };
        let (code, digits) = (ErrorCode::NoTicket, Some(IdRef::OutOfRange(&text)));
        let unknown = || Some(TicketRef::Unknown(unknown.as_str().into()));
        let names = [(digits, unknown()), (digits, None), (None, unknown())];
        let names = names.map(|(id, ticket)| Names { id, ticket });
        for event in [
            Event::TicketPicked(picked),
            Event::StaffWelcome(welcome),
            Event::TicketCreated { ticket, subject, at },
            Event::Staff { what: StaffChange::Reconnected, ticket, staff, at },
            Event::Colleague { staff, online: false },
            Event::TicketAdded(view),
            Event::TicketUpdated(view),
            Event::Error { code, names: &names[0] },
            Event::Error { code, names: &names[1] },
            Event::Error { code, names: &names[2] },
        ] {
            written(&event); // compares it with `bytes_max`
        }
    }
}

#[test]
fn a_small_frame_of_a_chat_counts_little_so_that_a_chat_does_not_use_up_its_credit_with_receipts() {
    let ticket = TicketId::from_bits(u64::MAX);
    let place = Place { position: 1, waiting: 1, wait_s: None };
    for event in [
        Event::Ack { ticket, id: 1, seq: Some(1), at: 1 },
        Event::Delivered { ticket, seq: 1, at: 1 },
        Event::Typing { ticket, active: true },
        Event::Queue { ticket, place },
        Event::TicketClosed { ticket, by: ClosedBy::User, at: 1 },
    ] {
        assert_eq!(event.bytes_max(), 160, "{event:?}");
    }
}
