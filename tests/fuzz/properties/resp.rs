//! What holds for any bytes that are read as a reply of Redis: for the fuzz target, and for a unit test.

use deskwire::cluster::resp::{NoReply, Reply};

/// A longer input is cut at its first bytes only.
const CUTS_MAX: usize = 600;

/// A reply depends on its own bytes alone, a part of one says how much is missing at least, and what is broken stays so.
pub fn check(bytes: &[u8]) {
    let cuts = |end: usize| (0..end.min(CUTS_MAX)).map(|end| (end, Reply::read(&bytes[..end])));
    match Reply::read(bytes) {
        Ok((reply, length)) => {
            assert_eq!(Reply::read(&bytes[..length]), Ok((reply.clone(), length)), "without what follows");
            for (end, part) in cuts(length) {
                let Err(NoReply::Partial(needed)) = part else { panic!("{part:?} of {end} bytes") };
                assert!((end + 1..=length).contains(&needed), "{needed} of {length}, with {end}");
            }
            let mut written = Vec::new();
            write(&reply, &mut written);
            assert_eq!(Reply::read(&written), Ok((reply, written.len())), "as Redis writes it");
        }
        Err(NoReply::Partial(most)) => {
            assert!(most > bytes.len());
            for (end, part) in cuts(bytes.len()) {
                let Err(NoReply::Partial(needed)) = part else { panic!("{part:?} of {end} bytes") };
                assert!((end + 1..=most).contains(&needed), "{needed} of {most}, with {end}");
            }
        }
        Err(NoReply::Broken) => {
            assert!(cuts(bytes.len()).all(|(_, part)| part.is_err()), "a part of it is whole");
            assert_eq!(
                Reply::read(&[bytes, b"\r\n"].concat()),
                Err(NoReply::Broken),
                "more does not mend it"
            );
        }
    }
}

/// Writes a reply as Redis does.
pub fn write(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match reply {
        Reply::Simple(text) => out.extend_from_slice(format!("+{text}\r\n").as_bytes()),
        Reply::Error(text) => out.extend_from_slice(format!("-{text}\r\n").as_bytes()),
        Reply::Integer(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
        Reply::Bulk(bytes) => {
            out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Reply::Array(replies) => {
            out.extend_from_slice(format!("*{}\r\n", replies.len()).as_bytes());
            replies.iter().for_each(|reply| write(reply, out));
        }
        Reply::Nil => out.extend_from_slice(b"$-1\r\n"),
    }
}
