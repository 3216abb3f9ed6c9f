//! The attackers' process: how it is started, stopped, and asked for its report.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::attack::list::Attack;
use crate::attack::stage::{END, GO, READY};
use crate::server::Server;

/// For an attack to be set up.
const SET_UP_MAX: Duration = Duration::from_secs(45);
/// The longest time from the word to stop to the end of the report.
const STOP_MAX: Duration = Duration::from_secs(5);

/// The attackers' report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// What was done, how often, and the least that counts as an attack.
    pub(crate) did: Vec<(String, u64, u64)>,
    /// What happened that must not happen.
    pub(crate) harm: Vec<(String, u64)>,
    pub(crate) notes: Vec<(String, u64)>,
    /// Whether the report is complete.
    pub(crate) is_whole: bool,
}

impl Report {
    /// Nobody attacks: nothing to report.
    pub(crate) fn of_nobody() -> Self {
        Self { is_whole: true, ..Self::default() }
    }

    /// Whether the attack took place.
    pub(crate) fn is_attack(&self) -> bool {
        self.is_whole && self.did.iter().all(|(_, count, least)| count >= least)
    }

    fn take(&mut self, line: &str) {
        let mut parts = line.split('\t');
        let (kind, what) = (parts.next(), parts.next().unwrap_or_default().to_owned());
        let mut next = || parts.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        match kind {
            Some("did") => self.did.push((what, next(), next())),
            Some("harm") => self.harm.push((what, next())),
            Some(END) => self.is_whole = true,
            Some("note") => self.notes.push((what, next())),
            _ => {}
        }
    }
}

/// The attackers' process, which is ended when this value is dropped, if not before.
pub(crate) struct Attackers {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Attackers {
    pub(crate) fn start(attack: &Attack, connections: usize, server: &Server, seconds: u64) -> Self {
        let me = std::env::current_exe().expect("this program");
        let mut child = Command::new(me)
            .args(["attack", attack.name, &connections.to_string()])
            .args([server.address.to_string(), seconds.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, lines }
    }

    /// Waits until everything is set up. Returns false if that fails.
    ///
    /// From then on the attackers run only when the honest clients, which share their core, do not want to run: the aim
    /// is to measure how the server treats the honest clients.
    pub(crate) fn are_ready(&self) -> bool {
        let is_ready = matches!(self.lines.recv_timeout(SET_UP_MAX), Ok(line) if line == READY);
        let mut chrt = Command::new("chrt");
        chrt.args(["--idle", "--pid", "0", &self.child.id().to_string()]);
        is_ready && chrt.status().expect("chrt (util-linux)").success()
    }

    pub(crate) fn go(&mut self) {
        // If they have ended, the report says so.
        let _ = self.stdin.as_mut().map(|stdin| writeln!(stdin, "{GO}"));
    }

    pub(crate) fn stop(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn report(mut self) -> Report {
        self.stop();
        let (mut report, until) = (Report::default(), Instant::now() + STOP_MAX);
        while !report.is_whole
            && let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            report.take(&line);
        }
        report
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
