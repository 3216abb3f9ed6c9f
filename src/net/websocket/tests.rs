//! Frames of several connections, split into pieces of any size, that pass in turn through one shared codec.

use super::*;

const MAX: usize = 1000;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        n @ 0..=125 => frame.push(0x80 | u8::try_from(n).unwrap()),
        n => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
    }
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn read_all(reader: &mut Reader, shared: &mut Box<Codec>, mut input: &[u8]) -> Result<Vec<String>, ReadEnd> {
    let mut texts = Vec::new();
    while let Some(incoming) = reader.next(shared, &mut input, &mut Vec::new())? {
        texts.extend(match incoming {
            Incoming::Text(text) => Some(text.to_string()),
            _ => None,
        });
    }
    Ok(texts)
}

#[test]
fn whole_messages_leave_nothing_in_the_shared_context() {
    let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
    let input = [frame(0x81, b"hello"), frame(0x89, b"ping"), frame(0x81, &[b'x'; 700])].concat();
    assert_eq!(read_all(&mut reader, &mut shared, &input).unwrap().len(), 2);
    assert!(reader.own.is_none());
}

#[test]
fn a_frame_in_two_pieces_at_any_byte_is_read_once_and_the_context_given_back() {
    let input = [frame(0x81, b"one"), frame(0x81, &[b'x'; 200]), frame(0x81, b"three")].concat();
    for cut in 1..input.len() {
        let (mut alice, mut bob, mut shared) = (Reader::default(), Reader::default(), Codec::new(MAX));
        let mut texts = read_all(&mut alice, &mut shared, &input[..cut]).unwrap();
        // Another connection in between must not get the rest of the first one's bytes.
        assert_eq!(read_all(&mut bob, &mut shared, &frame(0x81, b"else")).unwrap(), ["else"]);
        texts.extend(read_all(&mut alice, &mut shared, &input[cut..]).unwrap());
        assert_eq!(texts, ["one".to_owned(), "x".repeat(200), "three".to_owned()], "cut at {cut}");
        assert!(alice.own.is_none());
    }
}

#[test]
fn a_length_that_is_not_the_shortest_is_a_fault_and_what_came_before_it_counts() {
    let mut padded = frame(0x81, b"c");
    padded.splice(1..2, [0x80 | 126, 0, 1]);
    let input = [frame(0x01, b"a"), frame(0x80, b"b"), padded, frame(0x81, b"d")].concat();
    for cut in 1..input.len() {
        let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
        let (mut texts, mut end) = (Vec::new(), None);
        for mut piece in [&input[..cut], &input[cut..]] {
            while end.is_none() {
                match reader.next(&mut shared, &mut piece, &mut Vec::new()) {
                    Ok(Some(Incoming::Text(text))) => texts.push(text.to_string()),
                    Ok(Some(other)) => panic!("{other:?}"),
                    Ok(None) => break,
                    Err(why) => end = Some(why),
                }
            }
        }
        assert_eq!(
            (texts, end),
            (vec!["ab".to_owned()], Some(ReadEnd::Fault(close::PROTOCOL_ERROR))),
            "{cut}"
        );
        assert_eq!(read_all(&mut Reader::default(), &mut shared, &frame(0x81, b"else")).unwrap(), ["else"]);
    }
}

#[test]
fn fragments_never_look_finished_too_early() {
    let input = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x81, b"c"), frame(0x81, b"d")].concat();
    for cut in 1..input.len() {
        let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
        let mut texts = read_all(&mut reader, &mut shared, &input[..cut]).unwrap();
        assert_eq!(read_all(&mut Reader::default(), &mut shared, &frame(0x81, b"else")).unwrap(), ["else"]);
        texts.extend(read_all(&mut reader, &mut shared, &input[cut..]).unwrap());
        assert_eq!(texts, ["ab", "c", "d"], "cut at {cut}");
    }
}

#[test]
fn a_fault_has_its_close_code_and_does_not_spoil_the_shared_context() {
    let mut shared = Codec::new(MAX);
    for (input, why) in [
        (frame(0x81, &[b'x'; MAX + 1]), close::TOO_BIG),
        (frame(0x81, b"\xff"), close::INVALID_UTF8),
        (frame(0x83, b""), close::PROTOCOL_ERROR),
        (b"\x81\x00".to_vec(), close::PROTOCOL_ERROR),
    ] {
        assert_eq!(read_all(&mut Reader::default(), &mut shared, &input), Err(ReadEnd::Fault(why)));
        assert_eq!(read_all(&mut Reader::default(), &mut shared, &frame(0x81, b"x")).unwrap(), ["x"]);
    }
}

#[test]
fn a_flood_of_empty_fragments_ends() {
    let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
    let start = frame(0x01, b"x");
    read_all(&mut reader, &mut shared, &start).unwrap();
    let fragments = frame(0x00, b"").repeat(5000);
    let flood = (0..100).find_map(|_| read_all(&mut reader, &mut shared, &fragments).err());
    assert_eq!(flood, Some(ReadEnd::Fault(close::FLOODING)));
}

#[test]
fn a_ping_now_and_then_does_not_let_a_flood_of_empty_fragments_go_on() {
    let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
    read_all(&mut reader, &mut shared, &frame(0x01, b"x")).unwrap();
    let fragments = [frame(0x00, b"").repeat(5000), frame(0x89, b"ping")].concat();
    let flood = (0..100).find_map(|_| read_all(&mut reader, &mut shared, &fragments).err());
    assert_eq!(flood, Some(ReadEnd::Fault(close::FLOODING)));
}

#[test]
fn any_number_of_long_messages_may_come_in_fragments_of_any_size() {
    const LONGEST: usize = 16 * 1024;
    for (text, fragment_bytes, messages) in [
        ("x".repeat(4000), 1, 200),
        ("\u{1F5A8}".repeat(4000), 1, 200),
        ("\u{1F5A8}".repeat(4000), 10, 200),
        ("x".repeat(4000), 2000, 100_000),
    ] {
        let mut pieces = text.as_bytes().chunks(fragment_bytes).enumerate().peekable();
        let mut input = Vec::new();
        while let Some((nth, piece)) = pieces.next() {
            let fin = if pieces.peek().is_none() { 0x80 } else { 0 };
            input.extend(frame(fin | u8::from(nth == 0), piece));
        }
        let (mut reader, mut shared) = (Reader::default(), Codec::new(LONGEST));
        for nth in 0..messages {
            let read = read_all(&mut reader, &mut shared, &input).map(|texts| texts.len());
            assert_eq!(read, Ok(1), "message {nth} in fragments of {fragment_bytes}");
        }
    }
}

#[test]
fn the_longest_message_in_the_smallest_fragments_is_not_a_flood() {
    const LONGEST: usize = 32 * 1024; // long enough that the slack alone does not let it pass
    let (mut reader, mut shared) = (Reader::default(), Codec::new(LONGEST));
    let mut texts = read_all(&mut reader, &mut shared, &frame(0x01, b"x")).unwrap();
    for _ in 0..LONGEST - 2 {
        texts.extend(read_all(&mut reader, &mut shared, &frame(0x00, b"x")).unwrap());
    }
    texts.extend(read_all(&mut reader, &mut shared, &frame(0x80, b"x")).unwrap());
    assert_eq!(texts, ["x".repeat(LONGEST)]);
}

#[test]
fn a_close_is_answered_with_its_code_and_a_disorderly_one_is_noticed() {
    let bye = frame(0x88, b"\x03\xe8bye");
    for (input, code, orderly) in [
        (bye.clone(), b"\x88\x05\x03\xe8", true),
        (frame(0x88, b""), b"\x88\0", true),
        ([&bye[..], &bye].concat(), b"\x88\x05\x03\xe8", false),
        ([&frame(0x01, b"x")[..], &bye].concat(), b"\x88\x05\x03\xe8", false),
        (frame(0x88, b"\x03\xec"), b"\x88\x14\x03\xea", false), // 1004, which may not be sent
    ] as [(Vec<u8>, &[u8], bool); 5]
    {
        let mut replies = Vec::new();
        let end = Reader::default().next(&mut Codec::new(MAX), &mut &input[..], &mut replies);
        assert_eq!(end.err(), Some(ReadEnd::ClosedByPeer { orderly }));
        assert!(replies.starts_with(code), "{replies:x?}");
    }
}
