//! Brings users and staff to the point where a workload begins, and counts the frames that they are sent.

use crate::crowd::{Crowd, Nanos, Script};
use crate::frame::{Frame, Kind};

/// Connections under way at once while many are opened.
const AT_ONCE: usize = 64;

/// Counts frames, and keeps each user's session and ticket.
#[derive(Default)]
pub(crate) struct Lobby {
    counts: [u64; Kind::COUNT],
    gone: u64,
    pub(crate) frames: u64,
    tickets: Vec<String>,
    sessions: Vec<String>,
}

impl Script for Lobby {
    fn frame(&mut self, _: &mut Crowd, who: usize, _: Nanos, frame: &Frame<'_>) {
        assert!(frame.kind != Kind::Error, "the server refuses something");
        self.counts[frame.kind as usize] += 1;
        self.frames += 1;
        if frame.kind == Kind::TicketCreated {
            keep(&mut self.tickets, who, frame.ticket);
        } else if frame.kind == Kind::Welcome && !frame.session.is_empty() {
            keep(&mut self.sessions, who, frame.session);
        }
    }

    fn gone(&mut self, _: &mut Crowd, _: usize, _: Option<u16>) {
        self.gone += 1;
    }
}

fn keep(texts: &mut Vec<String>, who: usize, text: &str) {
    texts.resize(texts.len().max(who + 1), String::new());
    texts[who] = text.to_owned();
}

impl Lobby {
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    pub(crate) fn ticket(&self, who: usize) -> &str {
        &self.tickets[who]
    }

    pub(crate) fn session(&self, who: usize) -> &str {
        &self.sessions[who]
    }

    /// Turns until `count` more frames of this kind have come.
    pub(crate) fn await_more(&mut self, crowd: &mut Crowd, kind: Kind, before: u64, count: usize) {
        crowd.run(self, &format!("{kind:?}"), |lobby| lobby.count(kind) >= before + count as u64);
    }

    /// Turns until this many connections have ended.
    pub(crate) fn await_gone(&mut self, crowd: &mut Crowd, before: u64, count: usize) {
        crowd.run(self, "the server's close", |lobby| lobby.gone >= before + count as u64);
    }

    pub(crate) fn gone_so_far(&self) -> u64 {
        self.gone
    }

    /// Opens users' connections, a few at a time.
    pub(crate) fn admit_users(&mut self, crowd: &mut Crowd, count: usize, name: &str) -> Vec<usize> {
        self.admit(crowd, count, |crowd, number| crowd.add_user(&format!("{name}{number}"), None))
    }

    /// Opens staff members' connections, a few at a time.
    pub(crate) fn admit_staff(&mut self, crowd: &mut Crowd, count: usize, name: &str) -> Vec<usize> {
        self.admit(crowd, count, |crowd, number| crowd.add_staff(&format!("{name}{number}")))
    }

    fn admit(
        &mut self,
        crowd: &mut Crowd,
        count: usize,
        add: impl Fn(&mut Crowd, usize) -> usize,
    ) -> Vec<usize> {
        let before = self.count(Kind::Welcome);
        let mut whos = Vec::with_capacity(count);
        for number in 0..count {
            whos.push(add(crowd, number));
            self.await_more(crowd, Kind::Welcome, before, (number + 1).saturating_sub(AT_ONCE));
        }
        self.await_more(crowd, Kind::Welcome, before, count);
        whos
    }

    /// Opens a ticket for each of these users, in this order.
    pub(crate) fn open_tickets(&mut self, crowd: &mut Crowd, users: &[usize]) {
        for some in users.chunks(AT_ONCE) {
            let before = self.count(Kind::TicketCreated);
            for user in some {
                crowd.send(
                    *user,
                    r#"{"type":"create_ticket","subject":"The printer on the third floor is out of paper"}"#,
                );
            }
            self.await_more(crowd, Kind::TicketCreated, before, some.len());
        }
    }

    pub(crate) fn go_online(&mut self, crowd: &mut Crowd, staff: &[usize]) {
        let before = self.count(Kind::Presence);
        staff.iter().for_each(|who| crowd.send(*who, r#"{"type":"go_online"}"#));
        self.await_more(crowd, Kind::Presence, before, staff.len());
    }

    /// Makes the staff member pick this user's ticket.
    pub(crate) fn send_pick(&self, crowd: &mut Crowd, staff: usize, user: usize) {
        crowd.send(staff, &format!(r#"{{"type":"pick_ticket","ticket_id":"{}"}}"#, self.ticket(user)));
    }
}
