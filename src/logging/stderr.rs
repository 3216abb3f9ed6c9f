//! Stderr, written to only where that cannot block. What cannot be written is counted and forgotten.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use log::Level;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::line::Line;
use crate::config::LogFormat;

/// Stderr, and what was lost on the way to it.
pub(super) struct Stderr {
    /// Says whether a write would block. There is none for a file, which never blocks.
    poll: Option<(Poll, Events)>,
    /// Of the line that reports lost ones.
    format: LogFormat,
    /// Lines that could not be written.
    lost: u64,
    /// Those of them that no line has reported yet.
    unreported: u64,
    /// The last line was written in part.
    is_partial: bool,
}

impl Stderr {
    /// Finds out what kind of thing stderr is.
    ///
    /// Setting O_NONBLOCK would be simpler, but would change it for all who share this stderr; and to open
    /// /proc/self/fd/2 anew is not allowed where another user has made the pipe. A poll of its own changes nothing, and
    /// works for pipes, sockets and terminals. Its price: another program that writes to the same pipe can fill it
    /// between the question and our write.
    ///
    /// # Errors
    /// The kernel gives no descriptor.
    pub(super) fn open(format: LogFormat) -> io::Result<Self> {
        let poll = Poll::new()?;
        let fd = io::stderr().as_raw_fd();
        // epoll_ctl(2): EPERM for what does not support it, such as a file, /dev/null and /dev/full.
        let can_block = poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::WRITABLE).is_ok();
        let poll = can_block.then(|| (poll, Events::with_capacity(1)));
        Ok(Self { poll, format, lost: 0, unreported: 0, is_partial: false })
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes a line in one call, or counts it as lost. A line before it reports how many were lost since the last one.
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

    /// One write, if it does not block; how many bytes it took.
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

    /// A pipe is writable when a page of it is free, so that two lines fit (`LOG_LINE_BYTES_MAX`); a socket when a
    /// good part of its buffer is. If nobody reads any more, it is so too, and the write fails at once.
    fn is_writable(&mut self) -> bool {
        let Some((poll, events)) = &mut self.poll else { return true };
        let fd = io::stderr().as_raw_fd();
        // mio is edge-triggered; asking anew makes it tell what is so now.
        let asked = poll.registry().reregister(&mut SourceFd(&fd), Token(0), Interest::WRITABLE);
        let polled = asked.and_then(|()| poll.poll(events, Some(Duration::ZERO)));
        polled.is_ok() && !events.is_empty()
    }
}
