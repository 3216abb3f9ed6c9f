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
fn fragments_never_look_finished_too_early() {
    let input = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x81, b"c")].concat();
    for cut in 1..input.len() {
        let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
        let mut texts = read_all(&mut reader, &mut shared, &input[..cut]).unwrap();
        assert_eq!(read_all(&mut Reader::default(), &mut shared, &frame(0x81, b"else")).unwrap(), ["else"]);
        texts.extend(read_all(&mut reader, &mut shared, &input[cut..]).unwrap());
        assert_eq!(texts, ["ab", "c"], "cut at {cut}");
        assert!(reader.own.is_none(), "the context has been given back");
    }
}

/// Reads the input in two pieces. Returns the texts before the fault, and how many pieces it took.
fn read_to_fault(input: &[u8], cut: usize) -> (Vec<String>, usize, Option<ReadEnd>) {
    let (mut reader, mut shared, mut texts) = (Reader::default(), Codec::new(70_000), Vec::new());
    for (nth, mut piece) in [&input[..cut], &input[cut..]].into_iter().enumerate() {
        loop {
            match reader.next(&mut shared, &mut piece, &mut Vec::new()) {
                Ok(Some(Incoming::Text(text))) => texts.push(text.to_string()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(end) => return (texts, nth + 1, Some(end)),
            }
        }
    }
    (texts, 2, None)
}

#[test]
fn a_length_that_could_be_shorter_is_a_fault_and_what_came_before_counts() {
    for (length, is_minimal) in [
        (&[126, 0, 125][..], false),
        (&[126, 0, 126], true),
        (&[127, 0, 0, 0, 0, 0, 0, 0, 5], false),
        (&[127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], false),
        (&[127, 0, 0, 0, 0, 0, 1, 0, 0], true),
    ] {
        let payload_bytes = length[1..].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let mut odd = frame(0x81, b"before");
        odd.extend([0x81, 0x80 | length[0]]);
        odd.extend(&length[1..]);
        odd.extend([0; 4]);
        odd.extend(vec![b'x'; payload_bytes]);
        for cut in 1..30 {
            let (texts, _, end) = read_to_fault(&odd, cut);
            assert_eq!(texts[0], "before");
            let fault = (!is_minimal).then_some(ReadEnd::Fault(close::PROTOCOL_ERROR));
            assert_eq!((end, texts.len()), (fault, 1 + usize::from(is_minimal)), "{length:?} cut at {cut}");
        }
    }
}

#[test]
fn a_text_fails_at_the_byte_that_cannot_be_utf8_and_not_at_one_that_may_go_on() {
    let good = "\u{1F5A8}κόσμε".repeat(20);
    let whole = frame(0x81, good.as_bytes());
    for cut in 1..whole.len() {
        assert_eq!(read_to_fault(&whole, cut), (vec![good.clone()], 2, None), "cut at {cut}");
    }
    // A surrogate half, one above U+10FFFF, and one that is written too long: each shows at its second byte.
    for bad in [&[0xED, 0xA0, 0x80][..], &[0xF4, 0x90, 0x80, 0x80], &[0xC0, 0xAF], &[0xE0, 0x80, 0xAF]] {
        let text = [good.as_bytes(), bad, &[b'x'; 9]].concat();
        let input = [frame(0x81, b"before"), frame(0x81, &text)].concat();
        let shows_at = input.len() - 9 - bad.len() + 1 + usize::from(bad[0] != 0xC0);
        for cut in 40..input.len() {
            let (texts, pieces, end) = read_to_fault(&input, cut);
            assert_eq!((texts, end), (vec!["before".to_owned()], Some(ReadEnd::Fault(close::INVALID_UTF8))));
            assert_eq!(pieces == 1, cut >= shows_at, "{bad:x?} cut at {cut}");
        }
    }
    // Bytes of a binary message, and of a continuation, are not looked at.
    let (texts, _, end) = read_to_fault(&frame(0x82, b"\xff\xff\xff\xff"), 8);
    assert_eq!((texts.len(), end), (0, None));
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
        ([&bye[..], b"\x81"].concat(), b"\x88\x05\x03\xe8", false),
        (frame(0x88, b"\x03\xec"), b"\x88\x14\x03\xea", false), // 1004, which may not be sent
    ] as [(Vec<u8>, &[u8], bool); 6]
    {
        let mut replies = Vec::new();
        let end = Reader::default().next(&mut Codec::new(MAX), &mut &input[..], &mut replies);
        assert_eq!(end.err(), Some(ReadEnd::ClosedByPeer { orderly }));
        assert!(replies.starts_with(code), "{replies:x?}");
    }
}
