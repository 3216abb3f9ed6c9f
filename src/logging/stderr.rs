//! Stderr, written to only when that cannot block. A line that cannot be written is counted and dropped.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use log::Level;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::line::Line;
use crate::config::LogFormat;

/// Stderr, and a count of the lines that were lost.
pub(super) struct Stderr {
    /// Tells whether a write would block. `None` for a file, which never blocks.
    poll: Option<(Poll, Events)>,
    /// The format of the line that reports lost lines.
    format: LogFormat,
    /// Lines that could not be written.
    lost: u64,
    /// Lost lines that have not been reported yet.
    unreported: u64,
    /// Whether the last line was written only in part.
    is_partial: bool,
}

impl Stderr {
    /// Finds out whether stderr can block, and watches it if it can.
    ///
    /// Setting O_NONBLOCK would be simpler, but would change stderr for every process that shares it. Opening
    /// /proc/self/fd/2 again is not permitted if another user made the pipe. A separate poll changes nothing, and works
    /// for pipes, sockets and terminals. Its price: another program that writes to the same pipe can fill it between
    /// the poll and our write.
    ///
    /// # Errors
    /// The kernel provides no descriptor.
    pub(super) fn open(format: LogFormat) -> io::Result<Self> {
        let poll = Poll::new()?;
        let fd = io::stderr().as_raw_fd();
        // epoll_ctl(2): EPERM for descriptors that cannot be polled, such as a file, /dev/null and /dev/full.
        let can_block = poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::WRITABLE).is_ok();
        let poll = can_block.then(|| (poll, Events::with_capacity(1)));
        Ok(Self { poll, format, lost: 0, unreported: 0, is_partial: false })
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes a line in one call, or counts it as lost. If lines were lost before, another line in front of it says how
    /// many.
    pub(super) fn write(&mut self, text: &str) {
        let mut bytes = String::new();
        if self.is_partial {
            bytes.push('\n');
        }
        if self.unreported > 0 {
            let lost = format_args!("{} lines of the log could not be written", self.unreported);
            let line = Line::new(self.format, SystemTime::now(), Level::Warn, module_path!(), lost);
            bytes.push_str(&line.finish(0));
            bytes.push('\n');
        }
        let _ = writeln!(bytes, "{text}"); // writing to a String does not fail
        match self.write_now(bytes.as_bytes()) {
            Some(written) if written == bytes.len() => {
                self.is_partial = false;
                self.unreported = 0;
            }
            written => {
                self.is_partial |= written.is_some_and(|written| written > 0);
                self.lost += 1;
                self.unreported += 1;
            }
        }
    }

    /// Writes once, if that does not block, and returns the number of bytes written.
    fn write_now(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.is_writable() {
            return None;
        }
        loop {
            match io::stderr().write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.ok(),
            }
        }
    }

    /// Returns whether a write cannot block. A pipe is writable when a page of it is free, which is room for two lines
    /// (`LOG_LINE_BYTES_MAX`); a socket when a good part of its buffer is free. If the reader has gone, both are
    /// writable and the write fails at once.
    fn is_writable(&mut self) -> bool {
        let Some((poll, events)) = &mut self.poll else { return true };
        let fd = io::stderr().as_raw_fd();
        // mio is edge-triggered: only registering again makes it report the present state.
        let asked = poll.registry().reregister(&mut SourceFd(&fd), Token(0), Interest::WRITABLE);
        let polled = asked.and_then(|()| poll.poll(events, Some(Duration::ZERO)));
        polled.is_ok() && !events.is_empty()
    }
}
