//! Finds when a certificate expires. Reads only as much of DER (X.690) and RFC 5280 4.1 as that takes.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

use crate::calendar::{self, DAY_S};
use crate::config::TLS_EXPIRY_WARNING;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The time until which a certificate is valid; `None` if it cannot be read. Its text is to follow the word "certificate": "is
/// valid until ...".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity(Option<SystemTime>);

impl Validity {
    /// Reads the validity of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(not_after(certificate))
    }

    /// Returns whether the certificate expires soon, or has expired.
    pub fn is_short(self) -> bool {
        let left = self.0.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        left.is_some_and(|left| left < TLS_EXPIRY_WARNING)
    }
}

impl Display for Validity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(end) if end < SystemTime::now() => write!(f, "has expired on {}", HttpDate::from(end)),
            Some(end) => write!(f, "is valid until {}", HttpDate::from(end)),
            None => f.write_str("does not say how long it is valid"),
        }
    }
}

/// Returns the time after which a certificate is not valid. `None` if it is not as RFC 5280 says.
fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        (_, _, fields) = element(fields)?;
    }
    // Before the validity: serial number, signature algorithm, issuer.
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (SEQUENCE, validity, _) = element(fields)? else { return None };
    let (_, _, not_after) = element(validity)?;
    let (tag, digits, _) = element(not_after)?;
    time(tag, digits)
}

/// Splits off a DER element. Returns its tag, its content and the bytes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match short {
        0..=0x7F => (usize::from(short), rest),
        // The long form: 0x80 and the number of bytes of length. Two hold 64 KiB.
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// Parses a time (RFC 5280 4.1.2.5): `YYMMDDHHMMSSZ`, or the same with a year of four digits.
fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    let mut pairs = digits.chunks(2).map(|pair| match pair {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(u64::from((tens - b'0') * 10 + ones - b'0')),
        _ => None,
    });
    let mut next = || pairs.next().flatten();
    let year = match (tag, next()?) {
        (UTC_TIME, year @ 50..) => 1900 + year,
        (UTC_TIME, year) => 2000 + year,
        (GENERALIZED_TIME, century) => century * 100 + next()?,
        _ => return None,
    };
    let (month, day) = (next()?, next()?);
    let second = next()? * 3600 + next()? * 60 + next()?;
    let is_date = (1970..).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_date.then(|| UNIX_EPOCH + Duration::from_secs(calendar::days((year, month, day)) * DAY_S + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "240229123456Z", 1_709_210_096),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (GENERALIZED_TIME, "20500101000000Z", 2_524_608_000),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(time(tag, text.as_bytes()), at(seconds), "{text}");
        }
        for bad in
            ["", "Z", "240229123456", "24022912345Z", "241329123456Z", "2402291234+6Z", "000000000000Z"]
        {
            assert_eq!(time(UTC_TIME, bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_validity_is_behind_serial_algorithm_and_issuer() {
        let der = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let time = |text: &str| der(UTC_TIME, text.as_bytes());
        let validity = der(SEQUENCE, &[time("240229123456Z"), time("250228000000Z")].concat());
        for version in [&[][..], &der(VERSION, &der(2, &[2]))] {
            let fields =
                [version, &der(2, &[1]), &der(SEQUENCE, &[]), &der(SEQUENCE, &[0; 9]), &validity].concat();
            let certificate = der(SEQUENCE, &der(SEQUENCE, &fields));
            assert_eq!(not_after(&certificate), at(1_740_700_800));
            for length in 0..certificate.len() {
                assert_eq!(not_after(&certificate[..length]), None, "cut off at {length}");
            }
        }
    }
}
