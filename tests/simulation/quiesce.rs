//! The end of every world: all faults are repaired and all pages reconnect, so nothing may be missing. Then all leave, and
//! nothing may be left.

use deskwire::config::Millis;
use deskwire::state::Counts;
use serde_json::Value;

use crate::client::Kind;
use crate::figures::{HEAD, HTTP, JOURNAL_AGE, LINGER, PONG, STALL};
use crate::model::State;
use crate::network::End;
use crate::pages::{Act, Chat, Conversation, Fate, Page, Staffer, Status};
use crate::rng::Rng;
use crate::world::World;

/// A page waits 8 s for an answer that does not come, and 15 s before it tries again.
const RETRY_MS: Millis = 24_000;
/// Messages that were refused for a while are sent again, one after the other.
const ROUNDS_MAX: usize = 6;

impl World {
    pub fn quiesce(&mut self) {
        self.rng = Rng::new(self.setup.seed);
        self.note(|| "-- all faults are repaired".to_owned());
        self.call_off_stop();
        self.repair();
        self.pass(RETRY_MS);
        // If a ticket closed while the chats are shown, its staff might be assigned another one that nobody shows.
        if self
            .server
            .hub
            .service
            .model
            .users
            .values()
            .any(|user| user.ticket.is_some() && user.conn.is_none())
        {
            self.pass(self.setup.rules.user_grace_ms);
        }
        self.pick_all();
        let mut problem = None;
        for _ in 0..ROUNDS_MAX {
            self.look_at_all_chats();
            problem = self.find_problem();
            if problem.is_none() || self.violation.is_some() {
                break;
            }
        }
        self.check_state();
        self.check_disk();
        if let Some(problem) = problem {
            self.note_violation(|| problem);
        }
        if self.setup.ends_by_shutdown {
            self.shut_down();
            return;
        } else {
            self.note(|| "-- all leave".to_owned());
            self.all_leave();
            let silence = self.setup.ping_interval_ms + PONG + STALL + HEAD;
            self.pass(silence + 2 * self.setup.rules.user_grace_ms + HTTP + LINGER);
            self.check_nothing_is_left();
        }
        if !self.server.hub.is_empty() {
            let stats = self.server.hub.stats();
            self.note_violation(|| format!("connections are left: {stats:?}"));
        }
    }

    fn repair(&mut self) {
        self.is_calm = true;
        self.repair_machine();
        self.repair_roster();
        for link in &self.live {
            let mut link = self.links[*link].borrow_mut();
            link.dead &= link.slot.is_none();
            (link.choked, link.rate) = (false, None);
            link.pieces.clear();
            link.lag = link.lag.min(2);
            link.send_buffer_bytes = 1 << 20;
        }
        for at in self.live.clone() {
            if !matches!(self.clients[at].kind, Kind::Tab(_)) {
                self.leave(at, Some(End::Fin));
            }
        }
        let mut paths = std::collections::BTreeSet::new();
        for at in 0..self.tabs.len() {
            self.tabs[at].is_cut_off = false;
            match self.tabs[at].is_loaded {
                true => self.act(at, &Act::Look(true)),
                false => self.tabs[at].hidden = false,
            }
            if !paths.insert(self.tabs[at].path()) {
                // Of two tabs of the same person, the first stays.
                self.detach(at);
                self.tabs[at].unload(self.now);
            } else if self.tabs[at].line.status == Status::Stopped {
                self.tabs[at].start(self.now);
            }
        }
        self.pass(500);
        for at in 0..self.tabs.len() {
            if matches!(self.tabs[at].line.reason, Some("elsewhere" | "refused")) {
                self.tabs[at].start(self.now);
            }
        }
    }

    /// On each connected console, does what `act` returns.
    fn all_staff_act(&mut self, act: impl Fn(&Staffer) -> Option<Act>) {
        for tab in 0..self.tabs.len() {
            let Page::Staffer(staffer) = &self.tabs[tab].page else { continue };
            if self.tabs[tab].line.status == Status::Open
                && let Some(act) = act(staffer)
            {
                self.act(tab, &act);
            }
        }
        self.pass(400);
    }

    /// Staff go online, and pick tickets up to their maximum.
    fn pick_all(&mut self) {
        self.all_staff_act(|_| Some(Act::GoOnline(true)));
        for _ in 0..6 {
            self.all_staff_act(|staffer| {
                let free = staffer.board.values().find(|ticket| ticket["state"] != "active")?;
                let ticket = free["ticket_id"].as_str()?.to_owned();
                let has_capacity = staffer.active().len() < staffer.max_chats;
                has_capacity.then_some(Act::Button("pick_ticket", ticket, None))
            });
        }
    }

    fn look_at_all_chats(&mut self) {
        for nth in 0..10 {
            self.all_staff_act(|staffer| {
                let active = staffer.active();
                Some(Act::Show(active.get(nth % active.len().max(1)).cloned()))
            });
        }
        for tab in 0..self.tabs.len() {
            if self.tabs[tab].is_loaded {
                self.act(tab, &Act::Look(true));
            }
        }
        self.pass(3000);
    }

    /// Compares what every page shows with the model.
    fn find_problem(&self) -> Option<String> {
        let mut problem = None;
        for tab in self.tabs.iter().filter(|tab| tab.line.status == Status::Open) {
            let found = match &tab.page {
                Page::Visitor(visitor) => {
                    let chat = visitor.chat.as_ref().filter(|chat| chat.state != Chat::Closed);
                    let ticket =
                        self.server.hub.service.model.tickets.iter().find(|ticket| ticket.user == visitor.id);
                    let shown = chat.map(|chat| (chat.ticket.as_str(), chat.state));
                    let right = ticket.map(|ticket| (ticket.id.as_str(), state(ticket.state)));
                    let is_wrong = shown != right;
                    is_wrong.then(|| format!("{} shows {shown:?}; right is {right:?}", visitor.id))
                }
                Page::Staffer(staffer) => self.check_board(staffer),
            };
            let chats = tab.page.chats();
            let open = chats.iter().filter(|chat| chat.is_open && chat.state == Chat::Active);
            let unsettled = open.filter_map(|chat| self.check_chat(chat)).next();
            problem = problem.or(found).or(unsettled);
        }
        problem
    }

    fn check_board(&self, staffer: &Staffer) -> Option<String> {
        let model = &self.server.hub.service.model;
        let right: Vec<Value> = model.tickets.iter().map(|ticket| model.view(ticket)).collect();
        let is_right =
            |view: &Value| view["ticket_id"].as_str().and_then(|id| staffer.board.get(id)) == Some(view);
        if staffer.board.len() != right.len() || !right.iter().all(is_right) {
            return Some(format!("{} sees {:?}; right is {right:?}", staffer.id, staffer.board));
        }
        let online: Vec<&String> = model
            .staff
            .iter()
            .filter(|(id, staff)| staff.online && **id != staffer.id)
            .map(|(id, _)| id)
            .collect();
        let is_online = model.staff.get(&staffer.id).is_some_and(|staff| staff.online);
        if staffer.colleagues.iter().ne(online.iter().copied()) || staffer.online != is_online {
            return Some(format!("{} sees {:?}; right is {online:?}", staffer.id, staffer.colleagues));
        }
        let mine = |ticket: &&crate::model::Ticket| {
            ticket.state == State::Active && ticket.staff.as_ref() == Some(&staffer.id)
        };
        let mut chats: Vec<&str> =
            model.tickets.iter().filter(mine).map(|ticket| ticket.id.as_str()).collect();
        chats.sort_unstable();
        let mut shown = staffer.active();
        shown.sort_unstable();
        (shown != chats).then(|| format!("{} has {shown:?}; right is {chats:?}", staffer.id))
    }

    /// If both sides show a chat, all that was accepted in it has been delivered.
    fn check_chat(&self, chat: &Conversation) -> Option<String> {
        let is_there = |tab: &crate::pages::Tab| {
            let is_other_side = matches!(tab.page, Page::Visitor(_)) != chat.is_user;
            let is_open = |other: &Conversation| {
                other.ticket == chat.ticket && other.is_open && other.state == Chat::Active
            };
            tab.line.status == Status::Open && is_other_side && tab.page.chats().iter().any(is_open)
        };
        if !self.tabs.iter().any(is_there) {
            return None;
        }
        let is_settled = |fate| matches!(fate, Fate::Delivered | Fate::Failed);
        let mut mine = chat.entries.iter().filter(|entry| entry.is_mine);
        let open = mine.find(|entry| !is_settled(entry.fate) && !entry.is_guess)?;
        Some(format!("in {}, this was neither delivered nor refused: {open:?}", chat.ticket))
    }

    fn all_leave(&mut self) {
        for tab in 0..self.tabs.len() {
            let Some(link) = self.tabs[tab].line.socket else {
                self.tabs[tab].unload(self.now);
                continue;
            };
            match self.rng.below(4) {
                0 => self.leave(link, Some(End::Reset)),
                1 => self.leave(link, Some(End::Fin)),
                2 => {
                    let mut shared = self.links[link].borrow_mut();
                    shared.note.blame.get_or_insert("its network swallows everything");
                    shared.dead = true;
                    drop(shared);
                    self.clients[link].is_over = true;
                }
                _ => self.detach(tab),
            }
            self.clients[link].kind = Kind::Nobody;
            self.tabs[tab].unload(self.now);
        }
    }

    fn check_nothing_is_left(&mut self) {
        let counts = self.server.hub.service.desk.state().counts();
        if counts != Counts::default() {
            self.note_violation(|| format!("all have left, and State still has {counts:?}"));
        }
        if self.setup.has_journal {
            self.pass(JOURNAL_AGE); // until the journal is rewritten as a snapshot
            self.check_disk();
        }
        let due = self.server.hub.next_due();
        if due.is_some() || self.server.hub.has_work() {
            self.note_violation(|| format!("all have left, and something is due: {due:?}"));
        }
    }
}

fn state(of: State) -> Chat {
    match of {
        State::Waiting => Chat::Waiting,
        State::Active => Chat::Active,
        State::Paused => Chat::Paused,
    }
}
