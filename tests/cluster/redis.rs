//! A redis-server for one test.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use crate::support::PATIENCE;
#[cfg(feature = "tls")]
use crate::support::tls::Certificate;

/// A redis-server on a free port, with an append-only file that is synced before each answer. It is killed when this is
/// dropped.
pub(crate) struct Redis {
    pub(crate) port: u16,
    directory: PathBuf,
    child: Option<Child>,
    args: Vec<String>,
    /// The certificate that it has, if it speaks TLS.
    certificate: Option<String>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(args: &[&str]) -> Self {
        let mut redis = Self::stopped(args);
        redis.restart();
        redis
    }

    /// One that speaks only TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(certificate: &Certificate) -> Self {
        let mut redis = Self::stopped(&[]);
        let (port, file, key) = (redis.port.to_string(), certificate.certificate(), certificate.key());
        let args = ["--port", "0", "--tls-port", &port, "--tls-cert-file", &file, "--tls-key-file", &key];
        redis.args.extend(args.map(str::to_owned));
        redis.args.extend(["--tls-ca-cert-file", &file, "--tls-auth-clients", "no"].map(str::to_owned));
        redis.certificate = Some(file);
        redis.restart();
        redis
    }

    /// One that has not been started.
    pub(crate) fn stopped(args: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("deskwire-redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        // Nobody else takes it in the moment until it is used: ports are given in turn.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        let args = args.iter().map(ToString::to_string).collect();
        Self { port, directory, child: None, args, certificate: None }
    }

    /// Starts it, or starts it again, with what it had on its disk.
    pub(crate) fn restart(&mut self) {
        let (port, directory) = (self.port.to_string(), self.directory.to_str().unwrap());
        let mut command = Command::new(program());
        command.args(["--port", &port, "--bind", "127.0.0.1", "--dir", directory, "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always"]).args(&self.args);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("redis-server starts"));
        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            thread::yield_now();
        }
    }

    fn answers(&self) -> bool {
        if self.certificate.is_some() {
            return self.cli(&["PING"]).trim() == "PONG";
        }
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else { return false };
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && (&answer == b"+PONG" || &answer == b"-NOAU")
    }

    /// Kills the process, which has no chance to do anything before it ends.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Copies what it has on its disk.
    pub(crate) fn copy(&self) -> PathBuf {
        let copy = self.directory.join("copy");
        copy_files(&self.directory.join("appendonlydir"), &copy);
        copy
    }

    /// Puts an earlier copy in the place of what it has on its disk. It must not run.
    pub(crate) fn go_back_to(&self, copy: &Path) {
        assert!(self.child.is_none());
        let files = self.directory.join("appendonlydir");
        fs::remove_dir_all(&files).unwrap();
        copy_files(copy, &files);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address())
    }

    /// What redis-cli prints.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]);
        if let Some(certificate) = &self.certificate {
            command.args(["--tls", "--cacert", certificate]);
        }
        command.args(args);
        let output = command.output().expect("redis-cli comes with redis-server");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Finds redis-server as the browser tests find Chromium.
fn program() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/tools.sh");
    let run =
        Command::new("sh").arg(script).arg("redis").stderr(Stdio::inherit()).output().expect("sh starts");
    assert!(run.status.success(), "tests/browser/tools.sh redis failed; it says why above");
    PathBuf::from(String::from_utf8(run.stdout).unwrap().trim())
}
