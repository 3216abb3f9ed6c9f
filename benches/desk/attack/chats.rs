//! Attacks within chats: texts to people who read slowly or not at all.

use std::collections::HashMap;
use std::time::Duration;

use super::plan::{Line, Plan, Reading};
use super::stage::{Stage, is_kind, staff_request, text, user_request};
use super::swarm::News;
use super::tickets::CREATE;
use crate::frame::Kind;

/// A message of nearly 16 kB: 4,000 characters of four bytes. `ticket` is empty for a user.
fn long_message(ticket: &str, id: u64) -> Vec<u8> {
    let long = "\u{1F5A8}".repeat(4000);
    let ticket = if ticket.is_empty() { String::new() } else { format!(r#""ticket_id":"{ticket}","#) };
    text(&format!(r#"{{"type":"message",{ticket}"id":{id},"text":"{long}"}}"#))
}

fn pick(ticket: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"pick_ticket","ticket_id":"{ticket}"}}"#))
}

/// One user pastes 90 long messages at once, again and again, to a staff member who reads 1.7 MB/s and has three other
/// chats.
struct Paste {
    staff: usize,
    others: Vec<usize>,
    paster: usize,
    pasters: usize,
    /// The id of the pasting user's last message, and when they may go on.
    id: u64,
    due: Duration,
    staff_closed: u64,
    locked: u64,
    refused: u64,
    accepted: u64,
}

const OTHERS: usize = 3;

impl Paste {
    fn set_up(stage: &mut Stage) -> Self {
        let plan = Plan { line: Line::Slow, ..Plan::new(staff_request(&stage.host(), "reader")) };
        let staff = stage.open([plan].into_iter())[0];
        stage.ask_each(&[staff], r#"{"type":"go_online"}"#, Kind::Presence);
        let others = stage.users(OTHERS, "other-");
        for ticket in stage.ask_each(&others, CREATE, Kind::TicketCreated) {
            stage.swarm.send(staff, &pick(&ticket));
        }
        let mut joined = 0;
        stage.until("the other chats", |_, news| {
            joined += usize::from(is_kind(&news, Kind::StaffJoined));
            joined == OTHERS
        });
        stage.swarm.set_reading(staff, Reading::BytesPerSecond(1.7e6));
        Self {
            staff,
            others,
            paster: usize::MAX,
            pasters: 0,
            id: 0,
            due: Duration::MAX,
            staff_closed: 0,
            locked: 0,
            refused: 0,
            accepted: 0,
        }
    }

    /// The next user who pastes, if the last one was closed for it.
    fn bring_paster(&mut self, stage: &mut Stage) {
        self.pasters += 1;
        let name = format!("paster-{}", self.pasters);
        let mut request = user_request(&stage.host(), &name, Some(OTHERS + self.pasters));
        request.extend_from_slice(&text(CREATE));
        self.paster = stage.swarm.connect(Plan { listens: true, ..Plan::new(request) });
        (self.id, self.due) = (0, Duration::MAX);
    }

    fn take(&mut self, stage: &mut Stage, news: &News) {
        let (who, frame) = match news {
            News::Gone(who, _) => {
                self.staff_closed += u64::from(*who == self.staff);
                if *who == self.paster {
                    self.bring_paster(stage);
                }
                return;
            }
            News::Frame(who, frame) => (*who, frame),
            _ => return,
        };
        match frame.kind {
            Kind::TicketCreated if who == self.paster => stage.swarm.send(self.staff, &pick(&frame.ticket)),
            Kind::StaffJoined if who == self.paster => self.due = stage.elapsed(),
            Kind::StaffOffline => self.locked += 1,
            Kind::Ack if who != self.paster => self.accepted += 1,
            Kind::Error if self.others.contains(&who) => self.refused += 1,
            Kind::Message if who == self.staff => {
                let seen =
                    format!(r#"{{"type":"delivered","ticket_id":"{}","seq":{}}}"#, frame.ticket, frame.seq);
                stage.swarm.send(self.staff, &text(&seen));
            }
            _ => {}
        }
    }

    fn paste(&mut self, stage: &mut Stage) {
        const MESSAGES: u64 = 90;
        const PASTE_EVERY: Duration = Duration::from_secs(1);
        self.due += PASTE_EVERY;
        for _ in 0..MESSAGES {
            self.id += 1;
            stage.swarm.send(self.paster, &long_message("", self.id));
        }
    }
}

pub(crate) fn paste(stage: &mut Stage) {
    const OTHERS_EVERY: Duration = Duration::from_millis(100);
    let paste = &mut Paste::set_up(stage);
    stage.ready();
    paste.bring_paster(stage);
    let (mut pastes, mut sent) = (0, 0);
    while let Some(all) = stage.turn() {
        all.iter().for_each(|news| paste.take(stage, news));
        if stage.elapsed() > paste.due {
            paste.paste(stage);
            pastes += 1;
        }
        if stage.elapsed() > OTHERS_EVERY * (sent + 1) {
            sent += 1;
            let message = text(&format!(r#"{{"type":"message","id":{sent},"text":"Hello?"}}"#));
            paste.others.iter().for_each(|who| stage.swarm.send(*who, &message));
        }
    }
    stage.did("pastes of 90", pastes, 1);
    stage.did("messages of others", u64::from(sent) * OTHERS as u64, 10);
    stage.note("of these accepted", paste.accepted);
    stage.note("pasters", paste.pasters as u64);
    stage.harm("staff closed", paste.staff_closed);
    stage.harm("chats locked", paste.locked);
    stage.harm("messages of others refused", paste.refused);
}

const CHATS: usize = 20;
const UNREAD: u64 = 4;

/// The staff member has gone; each chat holds what they have not seen.
fn leave_unread(stage: &mut Stage) {
    let staff = stage.staff(1, "returning-")[0];
    stage.ask_each(&[staff], r#"{"type":"go_online"}"#, Kind::Presence);
    let users = stage.users(CHATS, "chat-");
    stage.ask_each(&users, CREATE, Kind::TicketCreated);
    // Each was assigned in the turn that created it.
    for id in 1..=UNREAD {
        for user in &users {
            stage.swarm.send(*user, &long_message("", id));
        }
        let mut acks = 0;
        stage.until("an ack", |_, news| {
            assert!(!is_kind(&news, Kind::Error), "a message is refused");
            acks += usize::from(is_kind(&news, Kind::Ack));
            acks == CHATS
        });
    }
    stage.swarm.reset(staff);
    let mut locked = 0;
    stage.until("the lock", |_, news| {
        locked += usize::from(is_kind(&news, Kind::StaffOffline));
        locked == CHATS
    });
}

/// A staff member with 20 chats, each with four long unread messages, comes back on a line of 0.9 MB/s, and again as
/// soon as they have received everything.
pub(crate) fn staff_return(stage: &mut Stage) {
    leave_unread(stage);
    stage.ready();
    let plan = Plan {
        line: Line::Slow,
        reading: Reading::BytesPerSecond(0.9e6),
        listens: true,
        ..Plan::new(staff_request(&stage.host(), "returning-0"))
    };
    let staff = stage.swarm.connect(plan.clone());
    let (mut picked, mut messages, mut since) = (0, HashMap::<String, u64>::new(), stage.elapsed());
    let (mut returns, mut cuts, mut longest) = (0, 0, Duration::ZERO);
    while let Some(all) = stage.turn() {
        for news in all {
            match news {
                News::Gone(who, _) if who == staff => {
                    cuts += 1;
                    (picked, since) = (0, stage.elapsed());
                    messages.clear();
                    stage.swarm.reconnect(staff, plan.clone());
                }
                News::Frame(who, frame) if who == staff => match frame.kind {
                    Kind::Welcome => stage.swarm.send(staff, &text(r#"{"type":"go_online"}"#)),
                    Kind::TicketPicked => picked += 1,
                    Kind::Message => *messages.entry(frame.ticket).or_default() += 1,
                    _ => {}
                },
                _ => {}
            }
        }
        if picked == CHATS && messages.values().sum::<u64>() == UNREAD * CHATS as u64 {
            returns += 1;
            longest = longest.max(stage.elapsed() - since);
            (picked, since) = (0, stage.elapsed());
            messages.clear();
            stage.swarm.reconnect(staff, plan.clone());
        }
    }
    stage.did("returns", returns + cuts + 1, 1);
    stage.note("whole returns", returns);
    stage.note("longest return ms", longest.as_millis() as u64);
    stage.harm("cut at the return", cuts);
    stage.harm("never whole", u64::from(returns == 0));
}

/// Users who read nothing, and staff who write to them as much as is allowed.
pub(crate) fn unread(stage: &mut Stage) {
    const CHATS_EACH: usize = 5;
    const BURST_MESSAGES: u32 = 15;
    const MESSAGE_EVERY: Duration = Duration::from_millis(267); // 60 KiB/s
    let host = stage.host();
    let each = if stage.connections <= 100 { 1 } else { CHATS_EACH };
    let users: Vec<_> = (0..stage.connections)
        .map(|number| Plan {
            line: Line::Slow,
            ..Plan::new(user_request(&host, &format!("deaf-{number}"), Some(number)))
        })
        .collect();
    let users = stage.open(users.into_iter());
    let tickets = stage.ask_each(&users, CREATE, Kind::TicketCreated);
    let staff = stage.staff(stage.connections.div_ceil(each), "writer-");
    stage.ask_each(&staff, r#"{"type":"go_online"}"#, Kind::Presence);
    for (number, ticket) in tickets.iter().enumerate() {
        stage.swarm.send(staff[number / each], &pick(ticket));
    }
    let mut joined = 0;
    stage.until("the chats", |_, news| {
        joined += usize::from(is_kind(&news, Kind::StaffJoined));
        joined == users.len()
    });
    users.iter().for_each(|who| stage.swarm.set_reading(*who, Reading::Nothing));
    stage.ready();
    let (mut rounds, mut acks, mut refused, mut staff_closed) = (0, 0, 0, 0);
    while let Some(all) = stage.turn() {
        for news in all {
            acks += u64::from(is_kind(&news, Kind::Ack));
            refused += u64::from(is_kind(&news, Kind::Error));
            staff_closed += u64::from(matches!(news, News::Gone(who, _) if staff.contains(&who)));
        }
        if rounds < BURST_MESSAGES || stage.elapsed() > MESSAGE_EVERY * (rounds - BURST_MESSAGES + 1) {
            for (number, writer) in staff.iter().enumerate() {
                let chat = (number * each + rounds as usize % each).min(tickets.len() - 1);
                stage.swarm.send(*writer, &long_message(&tickets[chat], u64::from(rounds) + 1));
            }
            rounds += 1;
        }
    }
    stage.did("messages accepted", acks, users.len() as u64);
    stage.note("messages refused", refused);
    stage.harm("staff closed", staff_closed);
}
