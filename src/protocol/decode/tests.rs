use super::*;
use crate::config::RECAP_LINES_MAX;
use crate::state::{RecapLine, Side};

fn user(text: &str) -> Result<UserCommand<'_>, Refusal<'_>> {
    user_command(text).map(|(command, _)| command)
}

fn staff(text: &str) -> Result<StaffCommand<'_>, Refusal<'_>> {
    staff_command(text).map(|(command, _)| command)
}

/// The code and the id of the refusal. An integer that is no `u64` is left out.
fn refused(text: &str) -> Option<(ErrorCode, Option<u64>)> {
    let number = |id| if let IdRef::Id(id) = id { Some(id) } else { None };
    user(text).err().map(|refusal| (refusal.code, refusal.names.id.and_then(number)))
}

#[test]
fn an_id_that_is_an_integer_of_any_size_is_sent_back_as_it_came() {
    let id = |id: &str| {
        let text = format!(r#"{{"id":5,"type":"message","i\u0064": {id} ,"text":"x","z":{{"id":6}}}}"#);
        match user(&text).unwrap_err().names.id {
            Some(IdRef::Id(id)) => Some(id.to_string()),
            Some(IdRef::OutOfRange(digits)) => Some(digits.to_owned()),
            None => None,
        }
    };
    let longest = "9".repeat(ID_BYTES_MAX);
    for integer in
        ["0", "-1", "-0", "9007199254740992", "18446744073709551616", "-9223372036854775809", &longest]
    {
        assert_eq!(id(integer).as_deref(), Some(integer));
    }
    let too_long = "9".repeat(ID_BYTES_MAX + 1);
    for other in [
        "3.0", "1e3", "1e400", "\"7\"", "null", "true", "[1]", "{}", "01", "-01", "+1", "-", "--1", "0x1",
        "1 2", "", &too_long,
    ] {
        assert_eq!(id(other), None, "{other}");
    }
}

#[test]
fn a_message_is_read_and_unknown_fields_are_ignored() {
    let text = r#"{"x":[1,{"y":2}],"id":7,"type":"message","text":"hi","seq":"not mine","z":1e400}"#;
    let Ok(UserCommand::Message { id: 7, text }) = user(text) else { panic!("refused") };
    assert_eq!(text.as_str(), "hi");
}

#[test]
fn a_text_that_is_not_a_message_is_refused_with_its_id() {
    for (text, id) in [
        ("", None),
        ("[]", None),
        ("{}", None),
        (r#""message""#, None),
        (r#"{"type":"message","id":7}"#, Some(7)),
        (r#"{"type":"message","id":7,"text":""}"#, Some(7)),
        (r#"{"type":"message","id":7,"text":8}"#, Some(7)),
        (r#"{"type":"message","id":0,"text":"x"}"#, Some(0)),
        (r#"{"type":"message","id":-1,"text":"x"}"#, None),
        (r#"{"type":"message","id":1.0,"text":"x"}"#, None),
        (r#"{"type":"message","id":"1","text":"x"}"#, None),
        (r#"{"type":"message","id":9007199254740992,"text":"x"}"#, Some(1 << 53)),
        (r#"{"type":"message","id":18446744073709551615,"text":"x"}"#, Some(u64::MAX)),
        (r#"{"type":"message","id":18446744073709551616,"text":"x"}"#, None),
        (r#"{"type":"message","id":1e400,"text":"x"}"#, None),
        (r#"{"type":"go_online"}"#, None),
        (r#"{"type":"typing","active":1}"#, None),
        (r#"{"type":"message","id":7,"text":"\ud800"}"#, Some(7)),
        (r#"{"text":"\ud800\"","i\u0064" : 7 ,"type":"message"}"#, Some(7)),
        (r#"{"type":"message","text":1e400,"id":7}"#, Some(7)),
        (r#"{"type":"message","text":"\q","id":7}"#, Some(7)),
        (r#"{"type":"message","id":7,"text":"x"#, Some(7)),
        (r#"{"type":"message","id":7,}"#, Some(7)),
        (r#"{"type":"message","id":7,"text":"x"}}"#, Some(7)),
        (r#"{"type":"message","text":"x","id":7"#, None),
        (r#"{"type":"message","id":7,"id":"\ud800","text":"x"}"#, None),
        (r#"{"type":"close_ticket"} {}"#, None),
    ] {
        assert_eq!(refused(text), Some((ErrorCode::BadMessage, id)), "{text}");
    }
}

#[test]
fn a_field_that_the_type_does_not_have_may_hold_any_json() {
    for anything in
        [r#""\ud800""#, "1e400", r#"{"\ud800":1}"#, r#"["\udfff\"}",{"type":"close_ticket"}]"#, "-0"]
    {
        for field in ["text", "id", "name", "other", r"\ud800"] {
            let text = format!(r#"{{"type":"typing","{field}":{anything},"active":true}}"#);
            assert!(matches!(user(&text), Ok(UserCommand::Typing { active: true })), "{text}");
        }
    }
    let text = r#" {"id":7,"seq":"\ud800","text":"h\n","type":"message"} "#;
    let Ok(UserCommand::Message { id: 7, text }) = user(text) else { panic!("refused") };
    assert_eq!(text.as_str(), r"h\n");
}

#[test]
fn a_refusal_names_the_ticket_if_it_can_be_read() {
    for (text, id) in [
        (r#"{"type":"message","id":7,"ticket_id":"0000-0001","text":"\ud800"}"#, Some(IdRef::Id(7))),
        (
            r#"{"type":"message","id":18446744073709551616,"ticket_id":"0000-0001","text":"x"}"#,
            Some(IdRef::OutOfRange("18446744073709551616")),
        ),
        (r#"{"type":"message","ticket_id":"0000-0001","id":7,!"#, Some(IdRef::Id(7))),
    ] {
        let refusal = staff(text).unwrap_err();
        assert_eq!((refusal.code, refusal.names.id), (ErrorCode::BadMessage, id), "{text}");
        assert_eq!(refusal.names.ticket, Some(TicketRef::Id(TicketId::from_bits(1))), "{text}");
    }
}

#[test]
fn a_name_has_1_to_64_characters_and_none_that_change_the_text_around_it() {
    let named = |name: &str| {
        let create = format!(r#"{{"type":"create_ticket","subject":"s","name":{name}}}"#);
        let go = format!(r#"{{"type":"go_online","name":{name}}}"#);
        let of_user = user(&create).map(|command| match command {
            UserCommand::CreateTicket { name, .. } => name.map(|name| name.as_str().to_owned()),
            _ => panic!("{name}"),
        });
        let of_staff = staff(&go).map(|command| match command {
            StaffCommand::GoOnline { name } => name.map(|name| name.as_str().to_owned()),
            _ => panic!("{name}"),
        });
        let (of_user, of_staff) = (of_user.map_err(|r| r.code), of_staff.map_err(|r| r.code));
        assert_eq!(of_user, of_staff, "{name}");
        of_user
    };
    assert_eq!(named("null"), Ok(None));
    assert_eq!(named(r#""Ann \u00c9 O\"Hara""#), Ok(Some(r#"Ann É O\"Hara"#.to_owned())));
    let longest = "é".repeat(NAME_CHARS_MAX);
    assert_eq!(named(&format!(r#""{longest}""#)), Ok(Some(longest.clone())));
    assert_eq!(named(&format!(r#""{longest}x""#)), Err(ErrorCode::TooLong));
    for bad in [
        "",
        "a\\nb",
        "\\u0000",
        "\u{7f}",
        "\u{85}",
        "\u{61c}",
        "\u{200f}",
        "a\u{202e}b",
        "\\u202a",
        "\u{2069}",
    ] {
        assert_eq!(named(&format!(r#""{bad}""#)), Err(ErrorCode::BadMessage), "{bad:?}");
    }
    for bad in ["7", "[]", "true", r#""\ud800""#] {
        assert_eq!(named(bad), Err(ErrorCode::BadMessage), "{bad}");
    }
}

#[test]
fn the_page_that_a_user_came_from_has_at_most_300_characters() {
    let from = |page: &str| {
        let text = format!(r#"{{"type":"create_ticket","subject":"s","page":{page}}}"#);
        match user(&text) {
            Ok(UserCommand::CreateTicket { page, .. }) => Ok(page.map(|page| page.as_str().to_owned())),
            other => Err(other.err().map(|refusal| refusal.code)),
        }
    };
    assert_eq!(from("null"), Ok(None));
    assert_eq!(from(r#""""#), Ok(Some(String::new())));
    let longest = "/".repeat(PAGE_CHARS_MAX);
    assert_eq!(from(&format!(r#""{longest}""#)), Ok(Some(longest.clone())));
    assert_eq!(from(&format!(r#""{longest}/""#)), Err(Some(ErrorCode::TooLong)));
    assert_eq!(from("7"), Err(Some(ErrorCode::BadMessage)));
}

#[test]
fn lengths_are_in_unicode_scalar_values() {
    let message = |text: &str| format!(r#"{{"type":"message","id":1,"text":"{text}"}}"#);
    for longest in ["x", "é", "\u{1F600}", "\\u00e9", "\\ud83d\\ude00"] {
        assert_eq!(refused(&message(&longest.repeat(TEXT_CHARS_MAX))), None, "{longest}");
        let over = message(&longest.repeat(TEXT_CHARS_MAX + 1));
        assert_eq!(refused(&over), Some((ErrorCode::TooLong, Some(1))), "{longest}");
    }
}

#[test]
fn a_ticket_id_that_is_not_well_formed_is_echoed_as_it_came() {
    let text = r#"{"type":"pick_ticket","ticket_id":"no such"}"#;
    let refusal = staff(text).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.names.ticket),
        (ErrorCode::NoTicket, Some(TicketRef::Unknown("no such".into())))
    );
}

#[test]
fn the_last_of_two_fields_with_the_same_name_counts() {
    let text = r#"{"type":"close_ticket","active":"x","active":true,"type":"typing"}"#;
    assert!(matches!(user(text), Ok(UserCommand::Typing { active: true })));
}

#[test]
fn a_recap_has_1_to_100_lines_each_of_which_is_checked() {
    let read = |lines: &str| match user(&format!(r#"{{"type":"recap","id":7,"lines":{lines}}}"#)) {
        Ok(UserCommand::Recap(recap)) => Ok(recap.lines().len()),
        Ok(_) => panic!("{lines}"),
        Err(refusal) => {
            assert_eq!(refusal.names.id, Some(IdRef::Id(7)), "{lines}");
            Err(refusal.code)
        }
    };
    let line = r#"{"x":"\ud800","from":"staff","name":null,"text":"a\nb","at":5}"#;
    let lines = |count: usize| format!("[{}]", vec![line; count].join(", "));
    assert_eq!(read(&lines(1)), Ok(1));
    assert_eq!(read(&lines(RECAP_LINES_MAX)), Ok(RECAP_LINES_MAX));
    assert_eq!(read(&lines(RECAP_LINES_MAX + 1)), Err(ErrorCode::TooLong));
    assert_eq!(read(&lines(RECAP_LINES_MAX + 50)), Err(ErrorCode::TooLong));
    let long = "x".repeat(TEXT_CHARS_MAX + 1);
    for (from, to, code) in [
        ("\"staff\"", "\"nobody\"", ErrorCode::BadMessage),
        ("\"staff\"", "1", ErrorCode::BadMessage),
        ("\"from\"", "\"of\"", ErrorCode::BadMessage),
        ("null", "\"\"", ErrorCode::BadMessage),
        ("null", "\"a\\nb\"", ErrorCode::BadMessage),
        ("null", "7", ErrorCode::BadMessage),
        ("null", &format!("\"{}\"", "x".repeat(NAME_CHARS_MAX + 1)), ErrorCode::TooLong),
        ("a\\nb", "", ErrorCode::BadMessage),
        ("a\\nb", "\\ud800", ErrorCode::BadMessage),
        ("a\\nb", &long, ErrorCode::TooLong),
        (":5", ":-5", ErrorCode::BadMessage),
        (":5", ":\"5\"", ErrorCode::BadMessage),
    ] {
        let bad = line.replace(from, to);
        assert_ne!(bad, line);
        assert_eq!(read(&format!("[{line},{bad}]")), Err(code), "{bad}");
    }
    for bad in ["[]", "{}", "null", "7", "[[]]", "[7]", "[null]", "\"x\""] {
        assert_eq!(read(bad), Err(ErrorCode::BadMessage), "{bad}");
    }
    // If a field is repeated, the last one counts, even if its name is written with an escape.
    let twice = format!(r#"{{"lines":7,"type":"recap","l\u0069nes":{}}}"#, lines(3));
    assert!(matches!(user(&twice), Ok(UserCommand::Recap(recap)) if recap.lines().len() == 3));
}

#[test]
fn a_line_is_read_as_it_was_written() {
    let text = r#"{"type":"recap","lines":[{"from":"user","name":"Ann \"B\"","text":"h\n","at":5}]}"#;
    let Ok(UserCommand::Recap(recap)) = user(text) else { panic!("refused") };
    let [RecapLine { from: Side::User, name: Some(name), text, at: 5 }] = recap.lines() else {
        panic!("{recap:?}")
    };
    assert_eq!((name.as_str(), text.as_str()), (r#"Ann \"B\""#, r"h\n"));
}

#[test]
fn a_command_comes_with_names_only_if_the_message_has_more_than_its_type() {
    let of_user = |text: &str| user_command(text).unwrap().1.map(|names| format!("{names:?}"));
    let of_staff = |text: &str| staff_command(text).unwrap().1.map(|names| format!("{names:?}"));
    for usual in [r#"{"type":"message","id":1,"text":"x"}"#, r#"{"type":"close_ticket"}"#] {
        assert_eq!(of_user(usual), None, "{usual}");
    }
    let usual = r#"{"type":"message","id":1,"text":"x","ticket_id":"0000-0001"}"#;
    assert_eq!(of_staff(usual), None);
    let names = user_command(usual).unwrap().1.unwrap();
    let ticket = Some(TicketRef::Id(TicketId::from_bits(1)));
    assert_eq!(*names, Names { id: Some(IdRef::Id(1)), ticket: ticket.clone() });
    let names = staff_command(r#"{"type":"pick_ticket","id":9,"ticket_id":"0000-0001"}"#).unwrap().1.unwrap();
    assert_eq!(*names, Names { id: Some(IdRef::Id(9)), ticket });
}
