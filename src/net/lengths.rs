//! Checks how frames state their length: in as few bytes as possible (RFC 6455 5.2), which tungstenite does not check.

/// The longest payload whose length is in the second byte of a frame, and the longest whose length takes two more.
const SHORT_BYTES_MAX: u64 = 125;
const MEDIUM_BYTES_MAX: u64 = 0xFFFF;
const MASK_BYTES: u64 = 4;

/// The position of a connection in its stream of frames.
#[derive(Debug, Default)]
pub(super) struct FrameLengths {
    /// The bytes of the present frame's header that have been seen, without the mask. 0 between two frames, and in the rest
    /// of a frame.
    seen: u8,
    /// The second byte of the header.
    marker: u8,
    length: u64,
    /// The bytes that are left of the present frame: its mask and its payload.
    rest: u64,
}

impl FrameLengths {
    /// Takes the next bytes of the stream. Returns how many of them come before the first frame whose length is too long,
    /// or 0 if that frame has begun before them. The bytes behind those have not been taken.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let (mut at, mut frame_start) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            if self.rest > 0 {
                let skipped = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.rest -= skipped as u64;
                at += skipped;
                continue;
            }
            match self.seen {
                0 => frame_start = at,
                1 => {
                    self.marker = *byte;
                    let length = u64::from(*byte & 0x7F);
                    self.length = if length <= SHORT_BYTES_MAX { length } else { 0 };
                }
                _ => self.length = self.length << 8 | u64::from(*byte),
            }
            self.seen += 1;
            at += 1;
            let (header_bytes, least) = match self.marker & 0x7F {
                126 => (4, SHORT_BYTES_MAX + 1),
                127 => (10, MEDIUM_BYTES_MAX + 1),
                _ => (2, 0),
            };
            if self.seen > 1 && self.seen == header_bytes {
                let mask_bytes = if self.marker & 0x80 == 0 { 0 } else { MASK_BYTES };
                let (length, rest) = (self.length, self.length.saturating_add(mask_bytes));
                *self = Self::default();
                if length < least {
                    return frame_start;
                }
                self.rest = rest;
            }
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a frame whose length is stated in so many bytes, and its payload.
    fn frame(length: u64, length_bytes: usize) -> Vec<u8> {
        let marker = match length_bytes {
            0 => u8::try_from(length).unwrap(),
            2 => 126,
            _ => 127,
        };
        let mut bytes = vec![0x81, 0x80 | marker];
        bytes.extend(&length.to_be_bytes()[8 - length_bytes..]);
        bytes.extend(std::iter::repeat_n(0xFF, 4 + usize::try_from(length).unwrap()));
        bytes
    }

    #[test]
    fn the_shortest_length_is_taken_however_the_stream_is_split() {
        let lengths = [(0, 0), (125, 0), (126, 2), (65_535, 2), (65_536, 8), (1, 0)];
        let stream = lengths.map(|(length, bytes)| frame(length, bytes)).concat();
        for piece in [1, 2, 3, 7, 100, stream.len()] {
            let mut position = FrameLengths::default();
            for bytes in stream.chunks(piece) {
                assert_eq!(position.take(bytes), bytes.len());
            }
            assert_eq!((position.seen, position.rest), (0, 0), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_longer_one_is_found_and_what_comes_before_it_is_taken() {
        let good = frame(5, 0);
        for (length, length_bytes) in [(0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65_535, 8)] {
            let bad = frame(length, length_bytes);
            let stream = [&good[..], &bad].concat();
            let mut position = FrameLengths::default();
            assert_eq!(position.take(&stream), good.len(), "{length} in {length_bytes}");
            assert_eq!(position.take(&bad), 0);
            let mut position = FrameLengths::default();
            let found = stream.iter().position(|byte| position.take(&[*byte]) == 0);
            assert_eq!(
                found,
                Some(good.len() + 1 + length_bytes),
                "{length} in {length_bytes}, byte by byte"
            );
        }
    }
}
