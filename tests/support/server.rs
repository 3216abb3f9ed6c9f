//! Runs the built binary as a child process on a free port, keeps every line that it writes, and kills it when the test
//! ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::wire::PATIENCE;

/// The desk token, unless a test sets another one.
pub const TOKEN: &str = "test-token-of-the-whole-desk";

/// The command line and environment of a child.
pub struct Launch {
    program: Vec<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    setup: Option<String>,
    stdin: Stdio,
    stderr: Option<Stdio>,
}

impl Launch {
    /// A server on a free port of loopback, with the test token.
    pub fn new() -> Self {
        Self::bare().args(&["--listen", "127.0.0.1:0"]).env("DESKWIRE_STAFF_TOKEN", TOKEN)
    }

    /// No argument and no token. `TEST_DESK` is another desk than the one that was built for the tests, such as one for
    /// another processor, with the words of what runs it before it.
    pub fn bare() -> Self {
        let built = || env!("CARGO_BIN_EXE_deskwire").to_owned();
        let program = std::env::var("TEST_DESK").unwrap_or_else(|_| built());
        let program = program.split(' ').map(str::to_owned).collect();
        Self { program, args: Vec::new(), env: Vec::new(), setup: None, stdin: Stdio::null(), stderr: None }
    }

    /// Runs another program than the binary built for the tests, such as one that runs a desk in a container.
    pub fn program(mut self, words: &[&str]) -> Self {
        self.program = words.iter().map(ToString::to_string).collect();
        self
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a hard limit on descriptors, which the server cannot raise.
    pub fn descriptors(self, limit: u32) -> Self {
        self.setup(&format!("ulimit -n {limit}"))
    }

    /// Sets a soft limit on descriptors, which the server may raise to the hard one.
    pub fn soft_descriptors(self, limit: u32) -> Self {
        self.setup(&format!("ulimit -S -n {limit}"))
    }

    /// Runs this command in the shell that then executes the server.
    pub fn setup(mut self, command: &str) -> Self {
        self.setup = Some(command.to_owned());
        self
    }

    /// Passes in a socket as a service manager does (sd_listen_fds(3)): as descriptor 3, for this process only.
    pub fn pass_socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.stdin = Stdio::from(socket.into());
        self.setup("exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$")
    }

    /// Passes in two sockets with these names. The log then goes to stdout.
    pub fn pass_two_sockets(mut self, sockets: [TcpListener; 2], names: &str) -> Self {
        let [third, fourth] = sockets.map(|socket| Stdio::from(OwnedFd::from(socket)));
        (self.stdin, self.stderr) = (third, Some(fourth));
        self.setup(&format!(
            "exec 3<&0 4<&2 0</dev/null 2>&1; export LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES={names}"
        ))
    }

    /// Sets the test's own stderr. `Server::log` then has the lines of stdout.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Starts a server that is expected to serve, and returns once it listens. With `TEST_TLS` in the environment it
    /// speaks TLS, and the address is that of a tunnel to it, so that every test can run over TLS.
    pub fn start(self) -> Server {
        #[cfg(feature = "tls")]
        if std::env::var_os("TEST_TLS").is_some() {
            let certificate = super::tls::certificate();
            let options = certificate.options();
            let mut server =
                self.args(&options.iter().map(String::as_str).collect::<Vec<_>>()).start_direct();
            server.addr = super::tls::tunnel(server.addr, &certificate.client());
            return server;
        }
        self.start_direct()
    }

    /// The same without a tunnel.
    pub fn start_direct(self) -> Server {
        let (child, log, out) = self.spawn();
        let mut server = Server { addr: ([127, 0, 0, 1], 0).into(), child, log, out };
        // The second mark is in a line of stdout, for tests whose log goes elsewhere.
        let marks = ["listening on ", "user page    "];
        let mark = |line: &str| marks.into_iter().find(|mark| line.contains(mark));
        let line = server.log.wait("the line that names the bound address", |line| mark(line).is_some());
        let address = line
            .split(mark(&line).unwrap_or_default())
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .unwrap_or("");
        let address = address
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches(['/', ',', '.']);
        server.addr = address.parse().unwrap_or_else(|e| panic!("no address in the log line {line:?}: {e}"));
        if server.addr.ip().is_unspecified() {
            server.addr.set_ip([127, 0, 0, 1].into());
        }
        server
    }

    /// Runs a command that is expected to end by itself.
    pub fn run(self) -> Outcome {
        let (child, log, out) = self.spawn();
        Server { addr: ([127, 0, 0, 1], 0).into(), child, log, out }.outcome()
    }

    fn spawn(self) -> (Child, Lines, Lines) {
        let (binary, before) = self.program.split_first().expect("a program");
        let mut command = match self.setup {
            None => Command::new(binary),
            Some(setup) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("{setup}; exec \"$0\" \"$@\"")).arg(binary);
                shell
            }
        };
        // A developer's own settings must not leak into the tests.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DESKWIRE_")) {
            command.env_remove(name);
        }
        command.args(before).args(&self.args).envs(self.env);
        command.stdin(self.stdin).stdout(Stdio::piped()).stderr(self.stderr.unwrap_or_else(Stdio::piped));
        let mut child = command.spawn().expect("the server binary starts");
        let out = Lines::follow(child.stdout.take().expect("stdout is piped"));
        let log = child.stderr.take().map_or_else(|| out.clone(), Lines::follow);
        (child, log, out)
    }
}

/// The exit code of a child and all that it wrote.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

/// A running server, which is killed when it is dropped.
pub struct Server {
    pub addr: SocketAddr,
    child: Child,
    pub log: Lines,
    pub out: Lines,
}

impl Server {
    /// Sends a signal by its name: `TERM`, `INT`, `HUP`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        self.signal_to(name, self.child.id());
    }

    /// Sends a signal to the one child of the program that runs the desk.
    pub fn signal_child(&self, name: &str) {
        let children = self.proc_file(&format!("task/{}/children", self.child.id()));
        self.signal_to(name, children.trim().parse().expect("one child"));
    }

    fn signal_to(&self, name: &str, pid: u32) {
        // The shell's own `kill`, since a minimal system has no other.
        let kill = format!("kill -{name} {pid}");
        let status = Command::new("sh").arg("-c").arg(kill).status().expect("sh runs");
        assert!(
            status.success(),
            "signal {name} could not be sent: the server is gone; log:\n{}",
            self.log.all()
        );
    }

    /// Stops the server's process while `meanwhile` runs, so that the server finds all of its effects in one turn.
    pub fn in_one_turn(&self, meanwhile: impl FnOnce()) {
        self.signal("STOP");
        // The signal takes effect a moment later.
        while !self.proc_file("stat").contains(") T ") {
            thread::yield_now();
        }
        meanwhile();
        self.signal("CONT");
    }

    /// Waits for the child to end, and returns how it ended.
    pub fn outcome(mut self) -> Outcome {
        let code = self.exit_within(PATIENCE);
        self.out.wait_end();
        Outcome { code, stdout: self.out.lines(), stderr: self.log.lines() }
    }

    /// Waits for the child to end, which shows as the end of its log. Returns the exit code, if no signal killed it.
    pub fn exit_within(&mut self, limit: Duration) -> Option<i32> {
        if !self.log.ends_within(limit) {
            panic!("the server did not end within {limit:?}; log:\n{}", self.log.all());
        }
        self.child.wait().expect("the child is ours").code()
    }

    /// Sends SIGTERM, waits for the child to end, and returns everything that it wrote.
    pub fn stop(self) -> Outcome {
        self.signal("TERM");
        self.outcome()
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Address space in KiB.
    pub fn vm_kib(&self) -> u64 {
        self.status("VmSize:")
    }

    /// Voluntary context switches. An idle loop has none.
    pub fn wakeups(&self) -> u64 {
        self.status("voluntary_ctxt_switches:")
    }

    /// Processor time used, in ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = self.proc_file("stat");
        // The command's name is in parentheses and may contain spaces, so the fields are counted from the closing one.
        let (_, fields) = stat.rsplit_once(") ").expect("a stat line");
        let fields: Vec<&str> = fields.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Limits the descriptors to those that are open now plus this many. accept(2) fails beyond that.
    pub fn limit_descriptors(&self, more: usize) {
        let (pid, limit) = (self.child.id().cast_signed(), (self.descriptors() + more) as u64);
        rlimit::prlimit(pid, rlimit::Resource::NOFILE, Some((limit, limit)), None)
            .expect("the child is ours");
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the server is alive").count()
    }

    /// The soft and the hard limit on descriptors.
    pub fn descriptor_limits(&self) -> (u64, u64) {
        let limits = self.proc_file("limits");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("proc(5)");
        let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(u64::MAX));
        (numbers.next().expect("the soft limit"), numbers.next().expect("the hard limit"))
    }

    fn status(&self, key: &str) -> u64 {
        let status = self.proc_file("status");
        let line = status
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("no {key} in {status}"));
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).expect("the server is alive")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- log of the server\n{}\n---", self.log.all());
        }
    }
}

/// The lines that the child has written to one of its streams so far. A test can wait for a line.
#[derive(Clone)]
pub struct Lines(Arc<(Mutex<Output>, Condvar)>);

#[derive(Default)]
struct Output {
    lines: Vec<String>,
    is_closed: bool,
}

impl Lines {
    fn follow(stream: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let ours = lines.clone();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
                ours.change(|output| output.lines.push(text));
                line.clear();
            }
            ours.change(|output| output.is_closed = true);
        });
        lines
    }

    /// Returns the first matching line. Waits for it if it has not been written yet.
    pub fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        self.wait_until(PATIENCE, |output| {
            found = output.lines.iter().find(|line| wanted(line)).cloned();
            found.is_some() || output.is_closed
        });
        found.unwrap_or_else(|| panic!("never written: {what}; written:\n{}", self.all()))
    }

    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    pub fn all(&self) -> String {
        self.lines().join("\n")
    }

    pub fn ends_within(&self, limit: Duration) -> bool {
        self.wait_until(limit, |output| output.is_closed)
    }

    fn wait_end(&self) {
        assert!(self.ends_within(PATIENCE), "the stream did not end");
    }

    fn wait_until(&self, limit: Duration, mut met: impl FnMut(&Output) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut output = self.lock();
        while !met(&output) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            output = self.0.1.wait_timeout(output, left).expect("no reader panics").0;
        }
        true
    }

    fn change(&self, change: impl FnOnce(&mut Output)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        self.0.0.lock().expect("no reader panics")
    }
}
