//! The log: one line for each event, to stderr. It never blocks the server and never ends it.
//!
//! simple_logger decides which lines are wanted. It cannot write them: it prints with `eprintln!`, which panics if
//! stderr cannot be written, and blocks if nobody reads it. It has no hook for another writer, so the lines are
//! formatted here, like simple_logger's own or as JSON.

mod line;
mod rate;
mod stderr;

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use log::{Level, LevelFilter, Log, Metadata, Record};
use signal_hook::consts::SIGXFSZ;
use simple_logger::SimpleLogger;

use self::line::Line;
pub(crate) use self::line::Quoted;
use self::rate::{RateLimit, Site};
use self::stderr::Stderr;
use crate::config::LogFormat;

thread_local! {
    /// `log::Log` must be `Sync`. There is only one thread, so a thread-local satisfies that without a lock. Lines of
    /// another thread would be dropped.
    static OUTPUT: RefCell<Option<Output>> = const { RefCell::new(None) };
}

/// The way of a line: through the rate limit to stderr.
struct Output {
    rate: RateLimit,
    stderr: Stderr,
}

/// The logger that the `log` crate calls.
struct Logger {
    filter: SimpleLogger,
    format: LogFormat,
}

/// Starts logging for this thread. Must be called only once.
///
/// # Errors
/// A logger is set already, or the kernel provides no descriptor.
pub fn start(level: LevelFilter, format: LogFormat) -> io::Result<()> {
    // A file that has reached its size limit is like a full disk, but by default this signal ends the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let output = Output { rate: RateLimit::default(), stderr: Stderr::open(format)? };
    OUTPUT.with_borrow_mut(|current| *current = Some(output));
    let filter = SimpleLogger::new()
        .with_level(level)
        // Its lines would quote the close reasons of peers.
        .with_module_level("tungstenite", level.min(LevelFilter::Warn));
    let level = filter.max_level();
    log::set_boxed_logger(Box::new(Logger { filter, format })).map_err(io::Error::other)?;
    log::set_max_level(level);
    // The message of a panic must not block either: the process would hang instead of ending.
    std::panic::set_hook(Box::new(move |panic| {
        let line = Line::new(format, SystemTime::now(), Level::Error, "deskwire", format_args!("{panic}"));
        with_output(|output| output.stderr.write(&line.finish(0)));
    }));
    Ok(())
}

/// Returns the number of lines that could not be written.
pub(crate) fn lines_lost() -> u64 {
    with_output(|output| output.stderr.lost()).unwrap_or(0)
}

/// Returns the time until `write_due` has something to write.
pub(crate) fn due_in() -> Option<Duration> {
    let due = with_output(|output| output.rate.next_due())??;
    Some(due.saturating_duration_since(Instant::now()))
}

/// Writes the lines that the rate limit held back and that are due now.
pub(crate) fn write_due() {
    with_output(|output| {
        if output.rate.next_due().is_some() {
            output.write_held(Instant::now());
        }
    });
}

/// Calls `act` with this thread's output. Does nothing if it has none, or if a line is being written already.
fn with_output<T>(act: impl FnOnce(&mut Output) -> T) -> Option<T> {
    OUTPUT.try_with(|output| output.try_borrow_mut().ok()?.as_mut().map(act)).ok()?
}

impl Output {
    fn write_held(&mut self, now: Instant) {
        for line in self.rate.take_due(now) {
            self.stderr.write(&line);
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let site = Site { file: record.file_static().unwrap_or(""), line: record.line().unwrap_or(0) };
        with_output(|output| {
            let admitted = output.rate.admit(site, Instant::now(), || {
                Line::new(self.format, SystemTime::now(), record.level(), record.target(), *record.args())
            });
            if let Some(line) = admitted {
                output.stderr.write(&line);
            }
        });
    }

    /// Writes the lines that the rate limit holds back, whether they are due or not.
    fn flush(&self) {
        with_output(|output| output.write_held(Instant::now() + rate::WINDOW));
    }
}
