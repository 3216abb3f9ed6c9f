//! Those who do harm, as a process of their own: each attack goes on until its time is up, and begins again whenever the
//! server has ended it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use socket2::{Domain, Protocol, Socket, Type};

use crate::crowd::{Crowd, Nanos, SECOND, Script};
use crate::frame::{Frame, Kind};
use crate::server::{Server, TOKEN};
use crate::wire;

#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    kind: Attack,
    server: SocketAddr,
    seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    Fragments,
    Pings,
    Messages,
    Heads,
    SlowHeads,
    Connects,
    Upgrades,
    Lengths,
    Secrets,
    Race,
}

impl Attack {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Fragments => "empty fragments, without end",
            Self::Pings => "pings, and nothing read",
            Self::Messages => "messages, as fast as they go",
            Self::Heads => "heads without end",
            Self::SlowHeads => "1,000 heads, a byte a second",
            Self::Connects => "connects and resets",
            Self::Upgrades => "upgrades and resets",
            Self::Lengths => "2^63 bytes announced, and sent",
            Self::Secrets => "wrong staff tokens",
            Self::Race => "1,000 staff who pick the same ticket",
        }
    }

    /// The command line of a process that attacks the server for so long. It runs when the honest clients, whose core it
    /// shares, do not want to: what is looked for is what the server does to them.
    pub(crate) fn command_line(self, server: &Server, span: Duration) -> Vec<String> {
        let me = std::env::current_exe().expect("this program").to_string_lossy().into_owned();
        let kind = self.to_possible_value().map_or_else(String::new, |kind| kind.get_name().to_owned());
        let seconds = span.as_secs().to_string();
        let server = server.address.to_string();
        ["chrt", "--idle", "0", &me, "attack", &kind, &server, &seconds].map(str::to_owned).to_vec()
    }
}

/// Attackers at once.
const ATTACKERS: usize = 8;
const SLOW_HEADS: usize = 1000;
const RACERS: usize = 1000;
/// What is written at once.
const POUR_BYTES: usize = 64 * 1024;
/// A write or read that takes longer is given up: the server does not read, or has nothing to say.
const STUCK: Duration = Duration::from_millis(500);

pub(crate) fn run(options: &Options) -> bool {
    assert!(options.server.ip().is_loopback(), "attacks stay on this machine");
    let until = Instant::now() + Duration::from_secs(options.seconds);
    match options.kind {
        Attack::SlowHeads => write_slowly(options.server, until),
        Attack::Race => race(options.server, until),
        kind => thread::scope(|scope| {
            for attacker in 0..ATTACKERS {
                scope.spawn(move || {
                    let mut number = attacker;
                    while Instant::now() < until {
                        // A connection that ends with an error has had what it wanted, or not; the next one tries again.
                        let _ = attack_once(kind, options.server, number, until);
                        number += ATTACKERS;
                    }
                });
            }
        }),
    }
    true
}

fn attack_once(kind: Attack, server: SocketAddr, number: usize, until: Instant) -> std::io::Result<()> {
    let mut stream = connect(server, number)?;
    let mut bytes = Vec::new();
    let fill = |bytes: &mut Vec<u8>, append: &mut dyn FnMut(&mut Vec<u8>)| {
        let end = bytes.len() + POUR_BYTES;
        while bytes.len() < end {
            append(bytes);
        }
    };
    match kind {
        Attack::Connects => return Ok(()),
        Attack::Heads => {
            bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
            fill(&mut bytes, &mut |bytes| bytes.extend_from_slice(b"X-More: and more\r\n"));
        }
        Attack::Secrets => {
            let secret = format!("{TOKEN}{number}");
            wire::append_request(&mut bytes, &server.to_string(), "/ws/staff/mallory", Some(&secret));
            stream.write_all(&bytes)?;
            return stream.read(&mut [0; 1024]).map(|_| ());
        }
        _ => upgrade(&mut stream, server, number)?,
    }
    match kind {
        Attack::Fragments => {
            wire::append_part(&mut bytes, wire::TEXT, |_| {});
            fill(&mut bytes, &mut |bytes| wire::append_part(bytes, 0, |_| {}));
            // The text begins once; what follows is more of it.
            stream.write_all(&bytes)?;
            bytes.clear();
            fill(&mut bytes, &mut |bytes| wire::append_part(bytes, 0, |_| {}));
        }
        Attack::Pings => fill(&mut bytes, &mut |bytes| {
            wire::append(bytes, wire::PING, |out| out.extend_from_slice(&[b'x'; 125]));
        }),
        Attack::Messages => {
            let mut id = 0;
            fill(&mut bytes, &mut |bytes| {
                id += 1;
                wire::append(bytes, wire::TEXT, |out| {
                    write!(out, r#"{{"type":"message","id":{id},"text":"And more."}}"#).expect("memory");
                });
            });
        }
        Attack::Lengths => {
            bytes.extend_from_slice(&[wire::FIN | wire::TEXT, 0xFF]);
            bytes.extend_from_slice(&(1_u64 << 63).to_be_bytes());
            fill(&mut bytes, &mut |bytes| bytes.extend_from_slice(b"and so on"));
        }
        _ => {}
    }
    while !bytes.is_empty() && Instant::now() < until {
        stream.write_all(&bytes)?;
    }
    Ok(())
}

/// A connection from one of many addresses, so that ports do not run out, and which ends with a reset.
fn connect(server: SocketAddr, number: usize) -> std::io::Result<TcpStream> {
    const SOURCES: usize = 200;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_linger(Some(Duration::ZERO))?;
    let source = Ipv4Addr::new(127, 0, 2, 1 + (number % SOURCES) as u8);
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&server.into())?;
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(STUCK))?;
    stream.set_read_timeout(Some(STUCK))?;
    Ok(stream)
}

fn upgrade(stream: &mut TcpStream, server: SocketAddr, number: usize) -> std::io::Result<()> {
    let mut request = Vec::new();
    let path = format!("/ws/user/mallory-{number}");
    wire::append_request(&mut request, &server.to_string(), &path, None);
    stream.write_all(&request)?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer)?;
    if answer[..length].starts_with(b"HTTP/1.1 101") {
        Ok(())
    } else {
        Err(ErrorKind::ConnectionRefused.into())
    }
}

fn write_slowly(server: SocketAddr, until: Instant) {
    const HEAD: &[u8] = b"GET /ws/user/mallory HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n";
    let mut streams: Vec<_> = (0..SLOW_HEADS).filter_map(|number| connect(server, number).ok()).collect();
    for byte in HEAD.iter().cycle() {
        if Instant::now() >= until {
            return;
        }
        streams.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
        thread::sleep(Duration::from_secs(1)); // this is the attack
    }
}

/// Staff of whom only one can have the ticket.
#[derive(Default)]
struct Racers {
    welcomed: usize,
    present: usize,
    staff: Vec<usize>,
    ticket: Option<String>,
    closed: bool,
    refused: usize,
    won: usize,
}

impl Script for Racers {
    fn frame(&mut self, _: &mut Crowd, who: usize, _: Nanos, frame: &Frame<'_>) {
        match frame.kind {
            Kind::Welcome => self.welcomed += 1,
            Kind::Presence => self.present += 1,
            Kind::TicketCreated => self.ticket = Some(frame.ticket.to_owned()),
            Kind::TicketPicked => self.won += 1,
            Kind::Error => self.refused += 1,
            Kind::TicketClosed if !self.staff.contains(&who) => self.closed = true,
            _ => {}
        }
    }

    fn gone(&mut self, _: &mut Crowd, _: usize, _: Option<u16>) {}
}

fn race(server: SocketAddr, until: Instant) {
    let (crowd, racers) = (&mut Crowd::to(server), &mut Racers::default());
    for number in 0..RACERS {
        racers.staff.push(crowd.add_staff(&format!("racer-{number}")));
        crowd.run(racers, "a welcome", |racers| racers.welcomed + 64 > number);
    }
    crowd.run(racers, "the last welcome", |racers| racers.welcomed == RACERS);
    racers.staff.iter().for_each(|who| crowd.send(*who, r#"{"type":"go_online"}"#));
    crowd.run(racers, "presence", |racers| racers.present == RACERS);
    let user = crowd.add_user("mallory", None);
    crowd.run(racers, "a welcome", |racers| racers.welcomed == RACERS + 1);
    while Instant::now() < until {
        (racers.won, racers.refused, racers.closed) = (0, 0, false);
        crowd.send(user, r#"{"type":"create_ticket","subject":"The prize"}"#);
        crowd.run(racers, "a ticket", |racers| racers.ticket.is_some());
        let ticket = racers.ticket.take().unwrap_or_default();
        let pick = format!(r#"{{"type":"pick_ticket","ticket_id":"{ticket}"}}"#);
        racers.staff.iter().for_each(|who| crowd.send(*who, &pick));
        crowd.run(racers, "the winner and the losers", |racers| racers.won + racers.refused == RACERS);
        assert_eq!(racers.won, 1, "one winner");
        crowd.send(user, r#"{"type":"close_ticket"}"#);
        crowd.run(racers, "the end", |racers| racers.closed);
        let pause = crowd.now() + SECOND / 20; // within the rate that each is allowed
        crowd.run_to(racers, pause);
    }
}
