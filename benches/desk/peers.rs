//! The servers that are compared: deskwire, and the same on the stacks that others would choose.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{self, Server, target_directory};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    Deskwire,
    Axum,
    Fastapi,
    NodeWs,
}

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::Deskwire, Self::Axum, Self::NodeWs, Self::Fastapi];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deskwire => "deskwire",
            Self::Axum => "axum",
            Self::Fastapi => "fastapi",
            Self::NodeWs => "node-ws",
        }
    }

    pub(crate) fn start(self) -> Server {
        match self {
            // The load must not count as a flood. Everything else is the default.
            Self::Deskwire => Server::deskwire(&["--rate-limit", "0"]),
            Self::Axum => Server::start(|address| {
                let binary = self.home().join("release/desk-on-axum").to_string_lossy().into_owned();
                vec![binary, address.port().to_string()]
            }),
            Self::Fastapi => Server::start(uvicorn),
            Self::NodeWs => Server::start(|address| {
                let script = self.home().join("server.js").to_string_lossy().into_owned();
                vec!["node".to_owned(), script, address.port().to_string()]
            }),
        }
    }

    /// Installs what the server needs, at its first use, into the target directory.
    ///
    /// # Errors
    /// The text says what is missing.
    pub(crate) fn prepare(self) -> Result<(), String> {
        match self {
            Self::Deskwire => Ok(()),
            Self::Axum => {
                let mut cargo = Command::new(env!("CARGO"));
                cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(self.home());
                succeed(cargo.current_dir(self.source()))
            }
            Self::Fastapi => self.prepare_fastapi(),
            Self::NodeWs => self.prepare_node_ws(),
        }
    }

    /// The software it is made of, as a line for the results.
    pub(crate) fn versions(self) -> String {
        match self {
            Self::Deskwire => env!("CARGO_PKG_VERSION").to_owned(),
            Self::Axum => {
                let lock = fs::read_to_string(self.source().join("Cargo.lock")).unwrap_or_default();
                let version = |name: &str| {
                    let entry = format!("name = \"{name}\"\nversion = \"");
                    let known = lock.split_once(&entry).and_then(|(_, rest)| rest.split('"').next());
                    format!("{name} {}", known.unwrap_or("?"))
                };
                ["axum", "tokio", "tungstenite"].map(version).join(", ")
            }
            Self::Fastapi => {
                let pins = fs::read_to_string(self.source().join("requirements.txt")).unwrap_or_default();
                let known = ["fastapi==", "uvicorn==", "uvloop==", "httptools==", "websockets==", "orjson=="];
                let named = pins.lines().filter(|pin| known.iter().any(|name| pin.starts_with(name)));
                let python = first_line(Command::new(self.home().join("bin/python")).arg("--version"));
                named.fold(python, |all, pin| format!("{all}, {}", pin.replace("==", " ")))
            }
            Self::NodeWs => {
                let manifest = fs::read_to_string(self.source().join("package.json")).unwrap_or_default();
                let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
                let version = |name: &str| manifest["dependencies"][name].as_str().unwrap_or("?").to_owned();
                let node = first_line(Command::new("node").arg("--version"));
                format!("Node.js {node}, ws {}, bufferutil {}", version("ws"), version("bufferutil"))
            }
        }
    }

    fn source(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(self.name())
    }

    fn home(self) -> PathBuf {
        target_directory().join(self.name())
    }

    fn prepare_fastapi(self) -> Result<(), String> {
        let (pins, home) = (self.source().join("requirements.txt"), self.home());
        // Put there after an installation that succeeded.
        let installed = home.join("requirements.txt");
        if fs::read(&installed).ok() == fs::read(&pins).ok() {
            return Ok(());
        }
        eprintln!("installing fastapi into {}", home.display());
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        succeed(Command::new(home.join("bin/pip")).args(["install", "--quiet", "-r"]).arg(&pins))?;
        fs::copy(&pins, &installed).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn prepare_node_ws(self) -> Result<(), String> {
        let home = self.home();
        let lock = "package-lock.json";
        let is_installed = fs::read(home.join(lock)).ok() == fs::read(self.source().join(lock)).ok()
            && home.join("node_modules/ws").exists();
        fs::create_dir_all(&home).map_err(|error| error.to_string())?;
        // Node looks for packages beside the script, and the sources are to stay clean.
        for file in ["server.js", "package.json", lock] {
            fs::copy(self.source().join(file), home.join(file)).map_err(|error| error.to_string())?;
        }
        succeed(Command::new("node").arg("--version"))?;
        if is_installed {
            return Ok(());
        }
        eprintln!("installing node-ws into {}", home.display());
        succeed(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&home))
    }
}

/// FastAPI as it is run for speed: uvloop, httptools, no compression, no access log.
fn uvicorn(address: SocketAddr) -> Vec<String> {
    let python = Peer::Fastapi.home().join("bin/python").to_string_lossy().into_owned();
    let directory = Peer::Fastapi.source().to_string_lossy().into_owned();
    let port = address.port().to_string();
    let line = [
        &["env", "PYTHONDONTWRITEBYTECODE=1", &python, "-m", "uvicorn", "app:app", "--app-dir", &directory][..],
        &["--host", "127.0.0.1", "--port", &port, "--loop", "uvloop", "--http", "httptools"],
        &["--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--no-access-log"],
        &["--log-level", "warning", "--backlog", "4096"],
    ];
    line.concat().into_iter().map(str::to_owned).collect()
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("?").to_owned()
}

/// The wanted servers that can be run here, and the reason for each that cannot.
pub(crate) fn available(wanted: &[Peer]) -> (Vec<Peer>, Vec<String>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for peer in wanted {
        match peer.prepare() {
            Ok(()) => there.push(*peer),
            Err(why) => missing.push(format!("{} is left out: {why}", peer.name())),
        }
    }
    (there, missing)
}

/// The profile's name is what Cargo calls the directory of the binary.
pub(crate) fn binary_size() -> u64 {
    let binary = server::deskwire(SocketAddr::from(([127, 0, 0, 1], 0)), &[]);
    fs::metadata(&binary[0]).map_or(0, |file| file.len())
}
