//! The sending side of a socket: the bytes that the socket has not taken yet, in one buffer.
//!
//! An output without bytes has no buffer either: an emptied one goes back to the spare buffers that all connections
//! share, so that an idle connection costs no output memory.

use std::io::{self, Write};

use super::deadlines::NEVER;
use super::retry_interrupted;
use crate::config::{Millis, SPARE_BUFFER_BYTES_MAX, SPARE_BUFFERS_MAX};

/// Bytes that wait to be written, in order.
#[derive(Debug)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// How many bytes of the buffer the socket has taken.
    sent: usize,
    /// When the blocked socket last took a part, or, if it has taken nothing since it blocked, when it first refused.
    /// `NEVER` if it is not blocked.
    blocked_since: Millis,
}

impl Default for Output {
    fn default() -> Self {
        Self { bytes: Vec::new(), sent: 0, blocked_since: NEVER }
    }
}

impl Output {
    /// Returns whether no output waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the number of bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Returns since when the socket has taken nothing. `None` if it is not blocked.
    pub(crate) fn blocked_since(&self) -> Option<Millis> {
        (self.blocked_since != NEVER).then_some(self.blocked_since)
    }

    /// Returns the buffer, to append a response or a single control frame. Takes no spare buffer.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Returns the buffer to append to. An output without a buffer takes one from `spare`.
    pub(crate) fn buffer(&mut self, spare: &mut Vec<Vec<u8>>) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = spare.pop().unwrap_or_default();
        }
        &mut self.bytes
    }

    /// Appends a frame.
    pub(crate) fn push(&mut self, frame: &[u8], spare: &mut Vec<Vec<u8>>) {
        self.buffer(spare).extend_from_slice(frame);
    }

    /// Keeps the first `length` of the waiting bytes and drops the rest.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(self.sent + length);
    }

    /// Writes the waiting bytes in one call and returns how many the socket took. An emptied buffer is added to
    /// `spare`.
    ///
    /// # Errors
    /// The socket is broken. A socket that takes nothing for now is not an error.
    pub(crate) fn flush(
        &mut self,
        socket: &mut impl Write,
        now: Millis,
        spare: &mut Vec<Vec<u8>>,
    ) -> io::Result<usize> {
        let written = match retry_interrupted(|| socket.write(&self.bytes[self.sent..])) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked_since = self.blocked_since.min(now);
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        self.sent += written;
        if self.sent == self.bytes.len() {
            self.blocked_since = NEVER;
            self.put_back(spare);
        } else {
            self.blocked_since = now;
            self.compact();
        }
        Ok(written)
    }

    fn put_back(&mut self, spare: &mut Vec<Vec<u8>>) {
        self.sent = 0;
        let mut buffer = std::mem::take(&mut self.bytes);
        buffer.clear();
        if spare.len() < SPARE_BUFFERS_MAX && buffer.capacity() <= SPARE_BUFFER_BYTES_MAX {
            spare.push(buffer);
        }
    }

    /// Drops the sent bytes once they are more than half, so that each byte is moved at most once on average.
    fn compact(&mut self) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that takes at most this many bytes of each write.
    struct Slow(usize);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(self.0.min(bytes.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn sent_bytes_are_dropped_even_if_output_always_waits() {
        let (mut output, mut spare) = (Output::default(), Vec::new());
        output.push(&[b'x'; 1000], &mut spare);
        for _ in 0..1000 {
            output.push(&[b'x'; 97], &mut spare);
            assert_eq!(output.flush(&mut Slow(97), 0, &mut spare).unwrap(), 97);
            assert_eq!(output.len(), 1000);
            assert!(output.bytes.len() <= 2 * 1097, "{} bytes for 1,000", output.bytes.len());
        }
    }

    #[test]
    fn a_buffer_is_used_again_unless_it_is_large_or_there_are_many() {
        for (bytes, kept) in [(16 * 1024, 1), (16 * 1024 + 1, 0)] {
            let (mut output, mut spare) = (Output::default(), Vec::new());
            output.push(&vec![b'x'; bytes], &mut spare);
            output.flush(&mut Slow(bytes), 0, &mut spare).unwrap();
            assert_eq!((output.bytes.capacity(), spare.len()), (0, kept), "{bytes}");
        }
        let mut spare = Vec::new();
        let mut outputs: Vec<_> = std::iter::repeat_with(Output::default).take(300).collect();
        for output in &mut outputs {
            output.push(b"x", &mut spare);
        }
        for output in &mut outputs {
            output.flush(&mut Slow(1), 0, &mut spare).unwrap();
        }
        assert_eq!(spare.len(), 256);
        outputs[0].push(b"x", &mut spare);
        assert_eq!(spare.len(), 255);
    }
}
