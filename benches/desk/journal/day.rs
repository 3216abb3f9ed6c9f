//! A day at a desk, as fast as possible: users open tickets, chat with staff, and close them, a number of them at once.
//!
//! Each message is confirmed, and the other side answers it then, so that one message of a chat is under way at a time.

use std::collections::HashMap;
use std::path::Path;

use hdrhistogram::Histogram;

use crate::crowd::{Crowd, Nanos, SECOND, Script};
use crate::frame::{Frame, Kind};
use crate::lobby::Lobby;
use crate::server::Server;
use crate::span::histogram;

/// A default of the desk: a staff member's chats.
const CHATS_EACH: usize = 5;
/// An ordinary message.
const TEXT: &str = "The printer on the third floor is out of paper again, it blinks, and nobody knows where the paper is kept.";

/// How much happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    pub(super) tickets: usize,
    /// Of each ticket, the user's and the staff member's in turn.
    pub(super) messages: u64,
    /// Chats at once.
    pub(super) at_once: usize,
}

/// What it took.
pub(super) struct Outcome {
    pub(super) messages_per_s: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Of the server, for a message and its receipt, and its part of a ticket.
    pub(super) cpu_us: f64,
    /// The journal: all that was appended, how large it was at most, and at the end.
    pub(super) appended_bytes: u64,
    pub(super) most_bytes: u64,
    pub(super) last_bytes: u64,
}

/// One chat, and the next one in its place.
#[derive(Default)]
struct Chat {
    staff: usize,
    ticket: String,
    /// Messages of the ticket so far, and when the last one was sent.
    sent: u64,
    sent_at: Nanos,
}

struct Day<'a> {
    traffic: Traffic,
    journal: Option<&'a Path>,
    /// By the user's connection.
    chats: HashMap<usize, Chat>,
    user_of: HashMap<String, usize>,
    begun: usize,
    done: usize,
    faults: u64,
    latency: Histogram<u64>,
    appended_bytes: u64,
    most_bytes: u64,
    last_bytes: u64,
}

impl Day<'_> {
    fn come(&mut self, crowd: &mut Crowd, user: usize) {
        if self.begun < self.traffic.tickets {
            self.begun += 1;
            crowd.connect_user(user, &format!("user-{}", self.begun), None);
        }
    }

    /// Sends the next message of a chat: the user's are the odd ones.
    fn say(&mut self, crowd: &mut Crowd, user: usize) {
        let chat = self.chats.get_mut(&user).expect("a chat");
        chat.sent += 1;
        let (who, ticket) = match chat.sent % 2 {
            1 => (user, String::new()),
            _ => (chat.staff, format!(r#""ticket_id":"{}","#, chat.ticket)),
        };
        let id = chat.sent.div_ceil(2);
        chat.sent_at = crowd.now();
        crowd.send(who, &format!(r#"{{"type":"message",{ticket}"id":{id},"text":"{TEXT}"}}"#));
    }

    /// A message has arrived: it is confirmed, and answered.
    fn arrived(&mut self, crowd: &mut Crowd, user: usize, at: Nanos, frame: &Frame<'_>) {
        let chat = &self.chats[&user];
        self.latency.saturating_record(at.saturating_sub(chat.sent_at));
        self.faults += u64::from(frame.seq != chat.sent || frame.text != TEXT);
        match chat.sent % 2 {
            1 => {
                let (ticket, seq) = (&chat.ticket, frame.seq);
                let receipt = format!(r#"{{"type":"delivered","ticket_id":"{ticket}","seq":{seq}}}"#);
                crowd.send(chat.staff, &receipt);
            }
            _ => crowd.send(user, &format!(r#"{{"type":"delivered","seq":{}}}"#, frame.seq)),
        }
        if chat.sent < self.traffic.messages {
            self.say(crowd, user);
        }
    }

    fn confirmed(&mut self, crowd: &mut Crowd, user: usize, seq: u64) {
        if seq == self.traffic.messages {
            crowd.send(user, r#"{"type":"close_ticket"}"#);
        }
    }

    fn staff_reads(&mut self, crowd: &mut Crowd, at: Nanos, frame: &Frame<'_>) {
        let Some(user) = self.user_of.get(frame.ticket).copied() else { return };
        match frame.kind {
            Kind::Message => self.arrived(crowd, user, at, frame),
            Kind::Delivered => self.confirmed(crowd, user, frame.seq),
            _ => {}
        }
    }

    fn user_reads(&mut self, crowd: &mut Crowd, user: usize, at: Nanos, frame: &Frame<'_>) {
        match frame.kind {
            Kind::Welcome => crowd.send(user, r#"{"type":"create_ticket","subject":"The printer blinks"}"#),
            Kind::TicketCreated => {
                let chat = self.chats.get_mut(&user).expect("a chat");
                (chat.ticket, chat.sent) = (frame.ticket.to_owned(), 0);
                self.user_of.insert(frame.ticket.to_owned(), user);
                let pick = format!(r#"{{"type":"pick_ticket","ticket_id":"{}"}}"#, frame.ticket);
                crowd.send(chat.staff, &pick);
            }
            Kind::StaffJoined => self.say(crowd, user),
            Kind::Message => self.arrived(crowd, user, at, frame),
            Kind::Delivered => self.confirmed(crowd, user, frame.seq),
            Kind::TicketClosed => {
                self.user_of.remove(&self.chats[&user].ticket);
                crowd.hang_up(user);
                self.done += 1;
                self.look_at_journal();
                self.come(crowd, user);
            }
            _ => {}
        }
    }

    /// A journal that is smaller than before was replaced by a snapshot.
    fn look_at_journal(&mut self) {
        let Some(metadata) = self.journal.and_then(|path| path.metadata().ok()) else { return };
        let before = std::mem::replace(&mut self.last_bytes, metadata.len());
        self.appended_bytes += self.last_bytes.saturating_sub(before);
        self.most_bytes = self.most_bytes.max(self.last_bytes);
    }
}

impl Script for Day<'_> {
    fn frame(&mut self, crowd: &mut Crowd, who: usize, at: Nanos, frame: &Frame<'_>) {
        assert!(frame.kind != Kind::Error, "the server refuses something");
        if self.chats.contains_key(&who) {
            self.user_reads(crowd, who, at, frame);
        } else {
            self.staff_reads(crowd, at, frame);
        }
    }
}

/// Runs it at a desk that has just started, with this journal, if it has one.
pub(super) fn run(server: &Server, journal: Option<&Path>, traffic: Traffic) -> Outcome {
    let crowd = &mut Crowd::at(server);
    let mut lobby = Lobby::default();
    let staff = lobby.admit_staff(crowd, traffic.at_once.div_ceil(CHATS_EACH), "staff-");
    lobby.go_online(crowd, &staff);
    let places: Vec<usize> = (0..traffic.at_once).map(|_| crowd.add_place()).collect();
    let chat = |nth: usize| Chat { staff: staff[nth / CHATS_EACH], ..Chat::default() };
    let mut day = Day {
        traffic,
        journal,
        chats: places.iter().enumerate().map(|(nth, user)| (*user, chat(nth))).collect(),
        user_of: HashMap::new(),
        begun: 0,
        done: 0,
        faults: 0,
        latency: histogram(),
        appended_bytes: 0,
        most_bytes: 0,
        last_bytes: 0,
    };
    let before = (server.cpu_ns(), crowd.now());
    places.iter().for_each(|user| day.come(crowd, *user));
    crowd.run(&mut day, "the end of the day", |day| day.done == day.traffic.tickets);
    let (cpu_ns, ns) = (server.cpu_ns() - before.0, crowd.now() - before.1);
    let messages = traffic.tickets as u64 * traffic.messages;
    assert!(
        day.faults == 0 && day.latency.len() == messages,
        "each message arrives once, in order and whole"
    );
    let quantile_us = |q| day.latency.value_at_quantile(q) as f64 / 1e3;
    Outcome {
        messages_per_s: messages as f64 * SECOND as f64 / ns as f64,
        p50_us: quantile_us(0.5),
        p99_us: quantile_us(0.99),
        cpu_us: cpu_ns as f64 / 1e3 / messages as f64,
        appended_bytes: day.appended_bytes,
        most_bytes: day.most_bytes,
        last_bytes: day.last_bytes,
    }
}
