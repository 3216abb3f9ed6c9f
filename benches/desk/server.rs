//! A server as a separate process, on its own core.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::usage;

/// The staff token of every desk that is benched.
pub(crate) const TOKEN: &str = "bench-token";
pub(crate) const SERVER_CORE: &str = "0";
pub(crate) const LOAD_CORE: &str = "1";
/// A Python process imports for a second or two.
const START_MAX: Duration = Duration::from_secs(30);

/// Where a server's log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// Warnings, to a file.
    Quiet,
    /// Everything that is logged by default, to a file.
    ToFile,
    /// Everything that is logged by default, to a pipe that nobody reads.
    ToUnreadPipe,
}

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first accepted connection.
    pub(crate) start: Duration,
}

impl Server {
    /// Starts the command that `command` returns for an address, and waits until the server accepts connections.
    pub(crate) fn start(command: impl FnOnce(SocketAddr) -> Vec<String>) -> Self {
        let log = File::create(log_path()).expect("the servers' log");
        Self::start_logging(command, log.into())
    }

    fn start_logging(command: impl FnOnce(SocketAddr) -> Vec<String>, log: Stdio) -> Self {
        // The port is free now, and nothing else here is likely to take it in between.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
        let address = address.expect("a free port");
        let started = Instant::now();
        let child = on_core(SERVER_CORE, &command(address))
            .env("DESKWIRE_STAFF_TOKEN", TOKEN)
            .env("DESKWIRE_MAX_CHATS", "100000") // an option takes precedence over it
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("taskset (util-linux)");
        let mut server = Self { child, address, start: Duration::ZERO };
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < START_MAX, "the server does not listen");
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("the server ended at its start: {status}; see {}", log_path().display());
            }
            thread::sleep(Duration::from_micros(200));
        }
        server.start = started.elapsed();
        thread::sleep(Duration::from_millis(100)); // for that connection to end, and for imports to finish
        server
    }

    /// deskwire with the options of a bench and `more`.
    pub(crate) fn deskwire(more: &[&str]) -> Self {
        Self::start(|address| deskwire(address, more))
    }

    /// deskwire with all its limits, these options, and its log where it is wanted.
    pub(crate) fn deskwire_logging(more: &[&str], log: Log) -> Self {
        let file = || File::create(log_path()).expect("the servers' log").into();
        let (level, stderr) = match log {
            Log::Quiet => ("warn", file()),
            Log::ToFile => ("info", file()),
            Log::ToUnreadPipe => ("info", Stdio::piped()),
        };
        Self::start_logging(|address| deskwire_at_level(address, level, more), stderr)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn cpu_ns(&self) -> u64 {
        usage::cpu_ns(self.pid())
    }

    pub(crate) fn rss_bytes(&self) -> u64 {
        usage::rss_bytes(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// The command line of deskwire: all defaults, except that the load must not count as a flood.
pub(crate) fn deskwire(address: SocketAddr, more: &[&str]) -> Vec<String> {
    deskwire_at_level(address, "warn", more)
}

fn deskwire_at_level(address: SocketAddr, level: &str, more: &[&str]) -> Vec<String> {
    let mut line =
        vec![env!("CARGO_BIN_EXE_deskwire").to_owned(), "--listen".to_owned(), address.to_string()];
    line.extend(["--log-level", level].map(str::to_owned));
    line.extend(more.iter().map(|word| (*word).to_owned()));
    line
}

/// A command that is pinned to one core.
pub(crate) fn on_core(core: &str, line: &[String]) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).args(line);
    command
}

/// Pins this process, which is the load generator, to the other core.
pub(crate) fn move_to_load_core() {
    let me = std::process::id().to_string();
    let mut move_me = Command::new("taskset");
    move_me.args(["--cpu-list", "--pid", LOAD_CORE, &me]).stdout(Stdio::null());
    assert!(
        move_me.status().is_ok_and(|status| status.success()),
        "the benches need taskset (util-linux) and two cores"
    );
}

/// As many connections as the descriptors of a process allow, minus those that a workload needs for other things.
pub(crate) fn connections_max() -> usize {
    const BESIDES: u64 = 1000;
    const ENOUGH: u64 = 100_000;
    let (soft, _) = rlimit::getrlimit(rlimit::Resource::NOFILE).expect("descriptors");
    soft.saturating_sub(BESIDES).min(ENOUGH) as usize
}

/// The path of the running server's log.
pub(crate) fn log_path() -> PathBuf {
    target_directory().join("server.log")
}

/// The directory of results and of what peers need.
pub(crate) fn target_directory() -> PathBuf {
    // CARGO_TARGET_TMPDIR is TARGET/tmp.
    let temporary = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let directory = temporary.parent().expect("the target directory").join("bench");
    std::fs::create_dir_all(&directory).expect("the results' directory");
    directory
}
