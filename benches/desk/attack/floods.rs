//! Attacks with bytes: connections that send them as fast as the server takes them, hold them back, or just stay open.

use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use super::plan::{Flood, Plan, Reading};
use super::stage::{Stage, is_kind, staff_request, user_request};
use super::swarm::News;
use crate::frame::Kind;
use crate::server::TOKEN;
use crate::websocket;

const FLOOD_BYTES: usize = 64 * 1024;
/// The least that must be sent to count as an attack.
const FLOODED_LEAST: u64 = 1_000_000;

/// Repeats what `append` appends until there is enough for a write.
fn filled(mut append: impl FnMut(&mut Vec<u8>)) -> Rc<[u8]> {
    let mut bytes = Vec::new();
    while bytes.len() < FLOOD_BYTES {
        append(&mut bytes);
    }
    bytes.into()
}

/// Opens the connections and floods. Each one that ends or is stuck is replaced.
fn flood(stage: &mut Stage, bytes: Rc<[u8]>, plan: impl Fn(usize) -> Plan, least: u64) {
    stage.ready();
    let mut number = 0;
    let mut next = || {
        number += 1;
        let plan = plan(number);
        let flood = plan.flood.clone().or(Some(Flood { bytes: Rc::clone(&bytes), bytes_per_second: None }));
        Plan { flood, ..plan }
    };
    let before = stage.swarm.counts.bytes_written;
    for _ in 0..stage.connections {
        let plan = next();
        stage.swarm.connect(plan);
    }
    while let Some(all) = stage.turn() {
        for news in all {
            if let News::Gone(who, _) | News::Stuck(who) = news {
                let plan = next();
                stage.swarm.reconnect(who, plan);
            }
        }
    }
    stage.did("bytes flooded", stage.swarm.counts.bytes_written - before, least);
    stage.note("connects", stage.swarm.counts.connects);
}

/// A user who reads nothing and goes on sending, whatever the server sends.
fn deaf_user(host: &str, number: usize, first: &[u8]) -> Plan {
    let mut request = user_request(host, &format!("mallory-{number}"), None);
    request.extend_from_slice(first);
    Plan { reading: Reading::Nothing, is_stubborn: true, ..Plan::new(request) }
}

pub(crate) fn empty_fragments(stage: &mut Stage) {
    let host = stage.host();
    let mut first = Vec::new();
    websocket::append_part(&mut first, websocket::TEXT, |_| {}); // the text begins once; what follows is more of it
    let more = filled(|bytes| websocket::append_part(bytes, 0, |_| {}));
    flood(stage, more, |number| deaf_user(&host, number, &first), FLOODED_LEAST);
}

/// Whole messages in one-byte fragments, as fast as their payload is allowed to come.
pub(crate) fn one_byte_fragments(stage: &mut Stage) {
    const PAYLOAD_BYTES_PER_SECOND: f64 = 60.0 * 1024.0;
    const FRAGMENT_BYTES: f64 = 7.0; // two of header, four of mask, one of payload
    let host = stage.host();
    let json = format!(r#"{{"type":"message","id":1,"text":"{}"}}"#, "x".repeat(4000));
    let mut bytes = Vec::new();
    for (place, byte) in json.bytes().enumerate() {
        let opcode = if place == 0 { websocket::TEXT } else { 0 };
        let fin = if place + 1 == json.len() { websocket::FIN } else { 0 };
        websocket::append_part(&mut bytes, fin | opcode, |out| out.push(byte));
    }
    let bytes: Rc<[u8]> = bytes.into();
    let pace = Some(PAYLOAD_BYTES_PER_SECOND * FRAGMENT_BYTES);
    let plan = |number| Plan {
        reading: Reading::All,
        is_stubborn: false,
        flood: Some(Flood { bytes: Rc::clone(&bytes), bytes_per_second: pace }),
        ..deaf_user(&host, number, &[])
    };
    flood(stage, Rc::clone(&bytes), plan, FLOODED_LEAST / 2);
    stage.harm("closed within the limits", stage.swarm.counts.closes.values().sum());
}

fn pings_of(bytes: &mut Vec<u8>) {
    websocket::append(bytes, websocket::PING, |out| out.extend_from_slice(&[b'x'; 125]));
}

pub(crate) fn unread_pings(stage: &mut Stage) {
    let host = stage.host();
    flood(stage, filled(pings_of), |number| deaf_user(&host, number, &[]), FLOODED_LEAST);
}

pub(crate) fn read_pings(stage: &mut Stage) {
    let host = stage.host();
    let plan = |number| Plan { reading: Reading::All, ..deaf_user(&host, number, &[]) };
    flood(stage, filled(pings_of), plan, FLOODED_LEAST);
}

fn messages_of() -> Rc<[u8]> {
    let mut id = 0;
    filled(|bytes| {
        id += 1;
        websocket::append(bytes, websocket::TEXT, |out| {
            write!(out, r#"{{"type":"message","id":{id},"text":"And more."}}"#).expect("memory");
        });
    })
}

pub(crate) fn messages(stage: &mut Stage) {
    let host = stage.host();
    flood(stage, messages_of(), |number| deaf_user(&host, number, &[]), FLOODED_LEAST);
}

/// Staff without the right token, who go on sending after 4401.
pub(crate) fn refused(stage: &mut Stage) {
    let host = stage.host();
    let wrong = format!("{TOKEN}-wrong");
    let plan = |number| {
        let mut request = Vec::new();
        websocket::append_request(&mut request, &host, &format!("/ws/staff/mallory-{number}"), Some(&wrong));
        Plan { is_stubborn: true, ..Plan::new(request) }
    };
    flood(stage, messages_of(), plan, FLOODED_LEAST);
}

pub(crate) fn heads(stage: &mut Stage) {
    let more = filled(|bytes| bytes.extend_from_slice(b"X-More: and more\r\n"));
    let plan = |_| Plan { is_stubborn: true, ..Plan::new(b"GET / HTTP/1.1\r\n".to_vec()) };
    flood(stage, more, plan, FLOODED_LEAST);
}

pub(crate) fn lengths(stage: &mut Stage) {
    let host = stage.host();
    let mut first = vec![websocket::FIN | websocket::TEXT, 0xFF];
    first.extend_from_slice(&(1_u64 << 63).to_be_bytes());
    let more = filled(|bytes| bytes.extend_from_slice(b"and so on"));
    flood(stage, more, |number| deaf_user(&host, number, &first), FLOODED_LEAST);
}

pub(crate) fn pipelined(stage: &mut Stage) {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", stage.host()).into_bytes();
    let more = filled(|bytes| bytes.extend_from_slice(&request));
    flood(stage, more, |_| Plan::new(request.clone()), FLOODED_LEAST);
    stage.note("answers", stage.swarm.counts.answers.values().sum());
}

/// Heads of nearly 8 KiB that are never finished.
pub(crate) fn partial_heads(stage: &mut Stage) {
    let mut head = format!("GET / HTTP/1.1\r\nHost: {}\r\n", stage.host()).into_bytes();
    while head.len() < 8000 {
        head.extend_from_slice(b"X-More: ");
        head.resize(head.len() + 490, b'x');
        head.extend_from_slice(b"\r\n");
    }
    const KEPT: usize = 1000; // in 8 MiB, a little less than what the desk keeps
    hold(stage, KEPT, |_| Plan::new(head.clone()));
}

pub(crate) fn slow_heads(stage: &mut Stage) {
    const HEAD: &[u8] = b"GET /ws/user/mallory HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n";
    const PAUSE: Duration = Duration::from_millis(200);
    stage.ready();
    let whos: Vec<_> =
        (0..stage.connections).map(|_| stage.swarm.connect(Plan::new(HEAD[..1].to_vec()))).collect();
    let mut sent = 1;
    while stage.turn().is_some() {
        if stage.elapsed() > PAUSE * sent {
            let byte = HEAD[sent as usize % HEAD.len()];
            whos.iter().for_each(|who| stage.swarm.send(*who, &[byte]));
            sent += 1;
        }
    }
    stage.did("sockets open", stage.swarm.open_count() as u64, stage.connections as u64 * 9 / 10);
    stage.did("bytes to each", u64::from(sent), 5);
}

/// Connections of the desk that silent sockets and users are to fill: `--max-connections` in the list.
const SMALL_DESK_PLACES: usize = 1100;

/// Of those beyond the desk's places, the oldest are dropped at once.
pub(crate) fn silent_sockets(stage: &mut Stage) {
    let most = stage.connections.min(SMALL_DESK_PLACES);
    hold(stage, most * 9 / 10, |_| Plan::new(Vec::new()));
}

pub(crate) fn silent_users(stage: &mut Stage) {
    let host = stage.host();
    hold(stage, stage.connections * 9 / 10, |number| {
        Plan::new(user_request(&host, &format!("silent-{number}"), None))
    });
}

/// Keeps at least this many of the connections open, and tests twice a second whether a staff member still gets in.
fn hold(stage: &mut Stage, open_least: usize, plan: impl Fn(usize) -> Plan) {
    const PAUSE: Duration = Duration::from_millis(500);
    stage.ready();
    let mut number = 0;
    let (mut tries, mut refused, mut staff) = (0, 0, None);
    let mut let_in = 0;
    let mut missing: Vec<_> =
        (0..stage.connections).map(|number| stage.swarm.connect(plan(number))).collect();
    let held = missing.len();
    missing.clear();
    while let Some(all) = stage.turn() {
        for news in all {
            match news {
                news @ News::Frame(..) => let_in += u64::from(is_kind(&news, Kind::Welcome)),
                News::Gone(who, _) if Some(who) == staff => refused += 1,
                News::Gone(who, _) => missing.push(who),
                _ => {}
            }
        }
        if stage.elapsed() > PAUSE * (tries + 1) {
            tries += 1;
            let request = Plan { listens: true, ..Plan::new(staff_request(&stage.host(), "late")) };
            match staff {
                None => staff = Some(stage.swarm.connect(request)),
                Some(who) => stage.swarm.reconnect(who, request),
            }
            // Connections that were dropped try again, each twice a second.
            for who in missing.drain(..) {
                number += 1;
                stage.swarm.reconnect(who, plan(held + number));
            }
        }
    }
    stage.did("sockets open", stage.swarm.open_count() as u64, open_least as u64);
    stage.note("staff who came", let_in);
    stage.harm("staff refused", refused);
    stage.harm("staff not answered", u64::from(tries).saturating_sub(let_in + 1).saturating_sub(refused));
}
