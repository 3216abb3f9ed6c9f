//! What TLS costs: in the desk, and in nginx in front of it, beside a desk without. `make bench-tls`
//!
//! One client, blocking, one thing at a time: what counts is the server's time, and with nginx in front, that of both.
//! nginx runs without a master, so that it is one process.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use crate::certificate::{Certificate, certificate};
use crate::server::{Server, TOKEN, deskwire, move_to_load_core, target_directory};
use crate::table::{markdown, median, number};
use crate::websocket::{TEXT, answer_length, append, append_request, next_frame};

/// The text of a message, in bytes.
const TEXT_BYTES: usize = 100;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds; the best of each figure counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections, each with a full handshake
    #[arg(long, default_value_t = 500)]
    handshakes: usize,
    /// Connections that rest at once
    #[arg(long, default_value_t = 2000)]
    idle: usize,
    /// Messages, each with its receipts before the next
    #[arg(long, default_value_t = 3000)]
    messages: usize,
}

/// A way to reach a desk.
struct Arrangement {
    name: &'static str,
    /// All that works for a client. The first is the one that it connects to.
    servers: Vec<Server>,
    config: Option<Arc<ClientConfig>>,
}

impl Arrangement {
    fn all() -> [fn() -> Self; 3] {
        [Self::without, Self::in_the_desk, Self::in_nginx]
    }

    fn without() -> Self {
        let desk = Server::deskwire(&["--rate-limit", "0"]);
        Self { name: "no TLS", servers: vec![desk], config: None }
    }

    fn in_the_desk() -> Self {
        let options = certificate().options();
        let options = options.iter().map(String::as_str).chain(["--rate-limit", "0"]).collect::<Vec<_>>();
        let desk = Server::start(|address| deskwire(address, &options));
        Self { name: "TLS in the desk", servers: vec![desk], config: Some(config(certificate())) }
    }

    fn in_nginx() -> Self {
        let desk = Server::deskwire(&["--rate-limit", "0"]);
        let nginx = Server::start(|address| nginx(address, desk.address, certificate()));
        Self { name: "nginx in front", servers: vec![nginx, desk], config: Some(config(certificate())) }
    }

    fn cpu_ns(&self) -> f64 {
        self.servers.iter().map(Server::cpu_ns).sum::<u64>() as f64
    }

    fn rss_bytes(&self) -> f64 {
        self.servers.iter().map(Server::rss_bytes).sum::<u64>() as f64
    }
}

/// A client without the tickets of TLS, so that each handshake is a whole one.
fn config(certificate: &Certificate) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&certificate.client());
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// The command line of nginx that speaks TLS at one address for the desk at the other.
fn nginx(address: SocketAddr, desk: SocketAddr, certificate: &Certificate) -> Vec<String> {
    let directory = target_directory().join("nginx");
    fs::create_dir_all(&directory).expect("nginx' directory");
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {}/{name};\n", directory.display()))
        .collect();
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {}/pid;\nevents {{ worker_connections 20000; }}\nhttp {{\naccess_log off;\n\
         {paths}server {{\nlisten {address} ssl;\nssl_certificate {};\nssl_certificate_key {};\n\
         location / {{\nproxy_pass http://{desk};\nproxy_http_version 1.1;\nproxy_set_header Host $http_host;\n\
         proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection upgrade;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n}}\n}}\n}}\n",
        directory.display(),
        certificate.certificate(),
        certificate.key(),
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration).expect("nginx' configuration");
    ["nginx", "-p", &directory.to_string_lossy(), "-e", "stderr", "-c", &file.to_string_lossy()]
        .map(str::to_owned)
        .into()
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// A client with an open WebSocket.
struct Client {
    wire: Box<dyn Wire>,
    unread: Vec<u8>,
}

impl Client {
    /// Connects, shakes hands and reads the welcome.
    fn connect(to: &Arrangement, path: &str, secret: Option<&str>) -> Self {
        let socket = TcpStream::connect(to.servers[0].address).expect("a server that accepts");
        socket.set_nodelay(true).expect("an open socket");
        let wire: Box<dyn Wire> = match &to.config {
            None => Box::new(socket),
            Some(config) => {
                let name = ServerName::from(to.servers[0].address.ip());
                let session = ClientConnection::new(Arc::clone(config), name).expect("a name");
                Box::new(StreamOwned::new(session, socket))
            }
        };
        let mut client = Self { wire, unread: Vec::new() };
        let mut request = Vec::new();
        append_request(&mut request, "desk", path, secret);
        client.wire.write_all(&request).expect("a server that reads");
        let end = loop {
            match answer_length(&client.unread) {
                Some(end) => break end,
                None => client.more(),
            }
        };
        client.unread.drain(..end);
        client.await_kind("welcome");
        client
    }

    fn user(to: &Arrangement, name: &str) -> Self {
        Self::connect(to, &format!("/ws/user/{name}"), None)
    }

    fn more(&mut self) {
        let mut buffer = [0; 16 * 1024];
        let length = self.wire.read(&mut buffer).expect("a server that answers");
        assert!(length > 0, "the server has closed the connection");
        self.unread.extend_from_slice(&buffer[..length]);
    }

    fn send(&mut self, text: &str) {
        let mut frame = Vec::new();
        append(&mut frame, TEXT, |out| out.extend_from_slice(text.as_bytes()));
        self.wire.write_all(&frame).expect("a server that reads");
    }

    /// Reads frames until one of this type.
    fn await_kind(&mut self, kind: &str) -> Value {
        loop {
            while let Some((_, payload)) = next_frame(&self.unread) {
                let end = payload.end;
                let value: Value = serde_json::from_slice(&self.unread[payload]).unwrap_or_default();
                self.unread.drain(..end);
                if value["type"] == kind {
                    return value;
                }
            }
            self.more();
        }
    }
}

/// The processor's time for a connection from the first byte to the end, in microseconds.
fn handshake_us(to: &Arrangement, count: usize) -> f64 {
    let before = to.cpu_ns();
    (0..count).for_each(|_| drop(Client::user(to, "ann")));
    (to.cpu_ns() - before) / count as f64 / 1e3
}

/// The memory of a connection that rests, in bytes.
fn idle_bytes(to: &Arrangement, count: usize) -> f64 {
    let _warm: Vec<_> = (0..count / 10).map(|nth| Client::user(to, &format!("warm-{nth}"))).collect();
    let before = to.rss_bytes();
    let _idle: Vec<_> = (0..count).map(|nth| Client::user(to, &format!("idle-{nth}"))).collect();
    (to.rss_bytes() - before) / count as f64
}

/// The processor's time for a message and its receipts, in microseconds.
fn message_us(to: &Arrangement, count: usize) -> f64 {
    let mut sam = Client::connect(to, "/ws/staff/sam", Some(TOKEN));
    sam.send(r#"{"type":"go_online"}"#);
    let mut ann = Client::user(to, "chatter");
    ann.send(r#"{"type":"create_ticket","subject":"the printer"}"#);
    let ticket = ann.await_kind("ticket_created")["ticket_id"].as_str().expect("an id").to_owned();
    sam.send(&format!(r#"{{"type":"pick_ticket","ticket_id":"{ticket}"}}"#));
    ann.await_kind("staff_joined");
    let text = "x".repeat(TEXT_BYTES);
    let before = to.cpu_ns();
    for id in 1..=count {
        ann.send(&format!(r#"{{"type":"message","id":{id},"text":"{text}"}}"#));
        let seq = sam.await_kind("message")["seq"].to_string();
        ann.await_kind("ack");
        sam.send(&format!(r#"{{"type":"delivered","ticket_id":"{ticket}","seq":{seq}}}"#));
        ann.await_kind("delivered");
    }
    (to.cpu_ns() - before) / count as f64 / 1e3
}

/// Gives the figure of an arrangement, from so many tries.
type Measure = fn(&Arrangement, usize) -> f64;

/// Measures each arrangement in turn, prints the table, and puts it into `tls.md`.
pub(crate) fn run(options: &Options) -> bool {
    move_to_load_core();
    let measures: [(&str, Measure, usize); 3] = [
        ("CPU µs: connect, handshakes, welcome, close", handshake_us, options.handshakes),
        ("bytes of an idle connection", idle_bytes, options.idle),
        ("CPU µs: a message of 100 bytes and its receipts, one at a time", message_us, options.messages),
    ];
    let mut rows = Vec::new();
    let mut header = vec![String::new()];
    header.extend(Arrangement::all().map(|start| start().name.to_owned()));
    for (what, measure, count) in measures {
        let mut figures = vec![Vec::new(); header.len() - 1];
        for _ in 0..options.rounds {
            for (nth, start) in Arrangement::all().into_iter().enumerate() {
                figures[nth].push(measure(&start(), count));
            }
        }
        let row = figures.iter().map(|rounds| {
            let best = rounds.iter().copied().fold(f64::INFINITY, f64::min);
            format!("{} ({})", number(best), number(median(rounds)))
        });
        rows.push([what.to_owned()].into_iter().chain(row).collect::<Vec<_>>());
        println!("{what}: {:?}", rows.last().expect("a row"));
    }
    let table = format!(
        "The best of {} rounds, and the median in brackets, on {}.\n\n{}",
        options.rounds,
        crate::usage::machine(),
        markdown(&header, &rows)
    );
    println!("\n{table}");
    fs::write(target_directory().join("tls.md"), table).expect("the results' directory");
    true
}
