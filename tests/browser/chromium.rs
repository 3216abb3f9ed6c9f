//! The one Chromium of all tests, driven by the DevTools protocol over `--remote-debugging-pipe`.
//!
//! A pipe, not a port: nobody else can connect to it, and Chromium exits when our end closes, even after a crash.
//! Messages are JSON, each followed by a NUL. Replies carry the id of their command, events that of their session.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How long one command may take. It has to be enough for a busy machine with a cold cache.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

const FLAGS: [&str; 18] = [
    "--remote-debugging-pipe",
    "--headless=new",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--mute-audio",
    "--hide-scrollbars",
    "--lang=en-US",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-domain-reliability",
    "--no-startup-window", // each page opens its own; the first one would load the new tab page from the network
    // Left on, each new window loads the address bar's suggestions as a page of 150 modules, and each navigation starts
    // a process for the next one: an eighth of all that the tests cost.
    "--disable-features=WebUIOmniboxAimPopup,SpareRendererForSitePerProcess,AutofillServerCommunication",
    "--disable-back-forward-cache", // a page that was left is gone, with its socket
    // Every page is in a window of its own, and only one can be in front: the others must not be throttled.
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
];

/// The events of a session, in order.
pub type Events = Arc<Mutex<Vec<Value>>>;

pub struct Chromium {
    to: Mutex<ChildStdin>,
    next_id: AtomicU64,
    asked: Mutex<HashMap<u64, Sender<Value>>>,
    sessions: Mutex<HashMap<String, Events>>,
}

/// Returns Chromium, which the first call starts. It exits with the pipe.
pub fn chromium() -> &'static Chromium {
    static ONE: OnceLock<&'static Chromium> = OnceLock::new();
    ONE.get_or_init(|| {
        let mut child = start();
        let to = Mutex::new(child.stdin.take().expect("stdin is piped"));
        let from = child.stdout.take().expect("stdout is piped");
        let chromium: &Chromium = Box::leak(Box::new(Chromium {
            to,
            next_id: AtomicU64::new(1),
            asked: Mutex::default(),
            sessions: Mutex::default(),
        }));
        thread::spawn(move || chromium.listen(BufReader::new(from)));
        chromium
    })
}

fn start() -> Child {
    let profile = target_dir().join(format!("chromium-{}", std::process::id()));
    fs::create_dir_all(&profile).expect("the target directory can be written");
    // The shell gives Chromium its descriptors 3 and 4, and outlives it to remove the profile.
    let script = r#"trap : INT TERM; profile=$1; shift
        "$@" 3<&0 4>&1 0</dev/null 1>&2; exec >&- 2>&-; rm -rf "$profile""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&profile).arg(tool(&["chromium"])).args(FLAGS);
    command.arg(format!("--user-data-dir={}", profile.display()));
    if is_root() || std::env::var_os("CI").is_some() {
        command.arg("--no-sandbox"); // as root there is none to be had; Chromium refuses to start without this
    }
    let log = File::create(target_dir().join("chromium.log")).expect("the target directory can be written");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    command.spawn().expect("sh starts")
}

/// Cargo's directory for files of tests.
pub fn target_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Returns the output of tests/browser/tools.sh; panics with its error output.
pub fn tool(args: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/tools.sh");
    let run = Command::new("sh").arg(script).args(args).stderr(Stdio::inherit()).output().expect("sh starts");
    assert!(run.status.success(), "tests/browser/tools.sh {args:?} failed; it says why above");
    PathBuf::from(String::from_utf8(run.stdout).expect("a path in UTF-8").trim())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id starts");
    id.stdout.trim_ascii() == b"0"
}

impl Chromium {
    /// Runs a command of the browser, or of one page's session. The error is Chromium's.
    pub fn ask(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, String> {
        self.begin(session, method, params)?.end()
    }

    /// Sends a command without waiting for its reply.
    pub fn begin(&self, session: Option<&str>, method: &str, params: Value) -> Result<PendingReply, String> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = channel();
        lock(&self.asked).insert(id, sender);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let sent = lock(&self.to).write_all(format!("{message}\0").as_bytes());
        let log = || target_dir().join("chromium.log");
        sent.map_err(|e| format!("Chromium is gone ({e}); see {}", log().display()))?;
        Ok(PendingReply { reply, method: method.to_owned() })
    }

    pub fn call(&self, method: &str, params: Value) -> Value {
        self.ask(None, method, params).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Keeps the events of this session from now on.
    pub fn follow(&self, session: &str) -> Events {
        lock(&self.sessions).entry(session.to_owned()).or_default().clone()
    }

    pub fn forget(&self, session: &str) {
        lock(&self.sessions).remove(session);
    }

    fn listen(&self, mut from: impl BufRead) {
        let mut bytes = Vec::new();
        while from.read_until(0, &mut bytes).is_ok_and(|n| n > 0) {
            let message: Value = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes))
                .unwrap_or_else(|e| panic!("Chromium sent no JSON: {e}"));
            bytes.clear();
            self.take(message);
        }
        lock(&self.asked).clear(); // a command without a reply fails at once
    }

    fn take(&self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(asker) = lock(&self.asked).remove(&id) {
                let _ = asker.send(message); // its caller may have given up
            }
        } else if let Some(events) =
            message["sessionId"].as_str().and_then(|s| lock(&self.sessions).get(s).cloned())
        {
            lock(&events).push(message);
        }
    }
}

/// A command whose reply has not been read.
pub struct PendingReply {
    reply: Receiver<Value>,
    method: String,
}

impl PendingReply {
    pub fn end(self) -> Result<Value, String> {
        let reply = self.reply.recv_timeout(COMMAND_TIMEOUT);
        let reply = reply.map_err(|e| format!("{} got no answer: {e}", self.method))?;
        if reply["error"].is_null() { Ok(reply["result"].clone()) } else { Err(reply["error"].to_string()) }
    }
}

/// Locks a mutex even if a test that failed has poisoned it.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
