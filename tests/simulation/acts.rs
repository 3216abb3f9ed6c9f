//! One step: who does what, drawn from the step's salt.

use serde_json::json;

use crate::network::End;
use crate::page::{Chat, Conversation, Page, Status, Tab};
use crate::plan::{Step, What};
use crate::rng::Rng;
use crate::world::{RATES, World};

const TABS_EACH: usize = 2;

impl World {
    pub fn step(&mut self, step: &Step) {
        self.rng = Rng::new(step.salt);
        self.pass(step.wait_ms);
        if self.violation.is_some() {
            return;
        }
        self.tell(|| format!("-- {:?}", step.what));
        match step.what {
            What::Ask => self.ask(),
            What::Say => self.say_something(1, false),
            What::SayMuch => self.say_much(),
            What::Type => self.type_something(),
            What::CloseTicket | What::Release | What::Transfer => self.end_chat(step.what),
            What::Online | What::Offline => self.set_online(step.what == What::Online),
            What::Pick => self.pick(),
            What::Show => self.show(),
            What::Hide | What::Look => self.look(step.what == What::Look),
            What::Retry => self.with_some_chat(|chat, leave, desk| chat.retry(leave, desk)),
            What::Reload | What::Duplicate | What::Leave | What::Return => self.open_or_leave(step.what),
            What::Mischief => self.mischief(),
            What::Snapshot => self.check_state(),
            What::Restart => self.restart(),
            network => self.disturb(network),
        }
        self.pass(0);
    }

    fn some_tab(&mut self, fits: impl Fn(&Tab) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.tabs.len()).filter(|at| fits(&self.tabs[*at])).collect();
        (!fitting.is_empty()).then(|| *self.rng.pick(&fitting))
    }

    fn ask(&mut self) {
        let Some(tab) = self.some_tab(|tab| matches!(tab.page, Page::Visitor(_))) else { return };
        let subject =
            self.rng.pick(&["help", "Hilfe \u{e4}\u{1F600}", "a \"quoted\"\nsubject", "x"]).to_string();
        self.with_page(tab, |page, desk| {
            if let Page::Visitor(visitor) = page {
                visitor.ask(subject, desk);
            }
        });
    }

    /// Some page's chat, as long as it is not closed.
    fn with_some_chat(
        &mut self,
        act: impl FnOnce(&mut Conversation, crate::page::Leave, &mut crate::page::Desk<'_>),
    ) {
        let has_chat =
            |tab: &Tab| tab.page.chats().iter().any(|chat| chat.is_open && chat.state != Chat::Closed);
        let Some(tab) = self.some_tab(has_chat) else { return };
        let nth = self.rng.below(4);
        self.with_page(tab, |page, desk| match page {
            Page::Visitor(visitor) => visitor.with_chat(desk, act),
            Page::Staffer(staffer) => {
                let open: Vec<String> = staffer
                    .chats
                    .values()
                    .filter(|chat| chat.is_open)
                    .map(|chat| chat.ticket.clone())
                    .collect();
                if !open.is_empty() {
                    staffer.with_chat(&open[nth % open.len()], desk, act);
                }
            }
        });
    }

    fn say_something(&mut self, count: usize, is_long: bool) {
        let filling =
            *self.rng.pick(&["hello ", "\u{e4}\u{f6}\u{fc} ", "\u{1F600}", "\"\\\n\t", "</script>"]);
        let length = if self.rng.one_in(20) { 300 } else { self.rng.below(30) };
        let (filling, length) = if is_long { ("\u{1F600}", 15_900) } else { (filling, length) };
        self.with_some_chat(|chat, leave, desk| {
            // The composer is locked while nothing can be sent.
            for _ in 0..if leave.can_send { count } else { 0 } {
                let text = desk.ledger.text(&chat.ticket, chat.is_user, length, filling);
                chat.say(text, leave, desk);
            }
        });
    }

    /// More than is held for one who does not confirm, or more than waits for one who does not read.
    fn say_much(&mut self) {
        let (count, is_long) =
            *self.rng.pick(&[(12, false), (40, false), (230, false), (5, true), (20, true)]);
        self.say_something(count, is_long);
    }

    fn type_something(&mut self) {
        let active = !self.rng.one_in(3);
        self.with_some_chat(|chat, leave, desk| {
            if leave.can_send {
                desk.out.push(json!({ "type": "typing", "ticket_id": chat.ticket, "active": active }));
            }
        });
    }

    /// A button is pressed that ends a chat for this one; sometimes for a ticket that is not theirs.
    fn end_chat(&mut self, what: What) {
        let by_user = what == What::CloseTicket && self.rng.one_in(2);
        let Some(tab) = self.some_tab(|tab| matches!(tab.page, Page::Visitor(_)) == by_user) else { return };
        let nth = self.rng.below(8);
        let colleague = format!("staff-{}", self.rng.below(self.setup.staff + 1));
        let note = *self.rng.pick(&["", "please", "knows \"more\""]);
        self.with_page(tab, |page, desk| match page {
            Page::Visitor(visitor) => visitor.with_chat(desk, |chat, _, desk| {
                if desk.is_open && chat.state != Chat::Closed {
                    desk.out.push(json!({ "type": "close_ticket" }));
                }
            }),
            Page::Staffer(staffer) => {
                let mut tickets = staffer.active();
                if nth == 0 {
                    tickets = staffer.board.keys().cloned().collect();
                }
                let Some(ticket) = tickets.get(nth % tickets.len().max(1)) else { return };
                match what {
                    What::Release => staffer.act("release_ticket", ticket, None, desk),
                    What::Transfer => staffer.act("transfer_ticket", ticket, Some((&colleague, note)), desk),
                    _ => staffer.act("close_ticket", ticket, None, desk),
                }
            }
        });
    }

    fn set_online(&mut self, online: bool) {
        let Some(tab) =
            self.some_tab(|tab| matches!(&tab.page, Page::Staffer(staffer) if staffer.online != online))
        else {
            return;
        };
        self.with_page(tab, |page, desk| {
            if let Page::Staffer(staffer) = page {
                staffer.set_online(online, desk);
            }
        });
    }

    /// Mostly what can be picked; sometimes what others have, or without room.
    fn pick(&mut self) {
        let Some(tab) =
            self.some_tab(|tab| matches!(&tab.page, Page::Staffer(staffer) if !staffer.board.is_empty()))
        else {
            return;
        };
        let (any, nth) = (self.rng.one_in(6), self.rng.below(8));
        self.with_page(tab, |page, desk| {
            let Page::Staffer(staffer) = page else { return };
            let free = |ticket: &serde_json::Value| any || ticket["state"] != "active";
            let tickets: Vec<String> =
                staffer.board.iter().filter(|(_, ticket)| free(ticket)).map(|(id, _)| id.clone()).collect();
            if let Some(ticket) = tickets.get(nth % tickets.len().max(1)) {
                staffer.act("pick_ticket", ticket, None, desk);
            }
        });
    }

    fn show(&mut self) {
        let Some(tab) =
            self.some_tab(|tab| matches!(&tab.page, Page::Staffer(staffer) if !staffer.chats.is_empty()))
        else {
            return;
        };
        let nth = self.rng.below(8);
        self.with_page(tab, |page, desk| {
            let Page::Staffer(staffer) = page else { return };
            let ticket = staffer.chats.keys().nth(nth % staffer.chats.len()).cloned();
            staffer.show(ticket.as_deref(), desk);
        });
    }

    fn look(&mut self, looks: bool) {
        let Some(tab) = self.some_tab(|tab| tab.hidden == looks) else { return };
        self.tabs[tab].hidden = !looks;
        self.with_page(tab, |page, desk| page.look(desk));
    }

    fn open_or_leave(&mut self, what: What) {
        let is_stopped = |tab: &Tab| tab.line.status == Status::Stopped;
        let Some(tab) = self.some_tab(|tab| is_stopped(tab) == (what == What::Return)) else { return };
        match what {
            What::Return => self.tabs[tab].line.start(),
            What::Duplicate => {
                let path = self.tabs[tab].path();
                if self.tabs.iter().filter(|tab| tab.path() == path).count() < TABS_EACH {
                    let mut copy = self.tabs[tab].clone();
                    copy.reload();
                    copy.line.start();
                    copy.number = copy.number.map(|_| self.tabs.len() as u64);
                    let queued = copy.page.chats().into_iter().flat_map(Conversation::queued);
                    queued.for_each(|text| self.ledger.copied(text));
                    self.tabs.push(copy);
                }
            }
            _ => {
                let link = self.tabs[tab].line.socket;
                match link.filter(|_| self.rng.one_in(4)) {
                    Some(link) => self.leave(link, Some(End::Reset)),
                    None => self.detach(tab),
                }
                if let Some(link) = link {
                    self.clients[link].kind = crate::client::Kind::Nobody;
                }
                self.tabs[tab].reload();
                if what == What::Reload {
                    self.tabs[tab].line.start();
                }
            }
        }
    }

    /// Something happens to a line.
    fn disturb(&mut self, what: What) {
        if what == What::Mend {
            let Some(tab) = self.some_tab(|tab| tab.is_cut_off) else { return };
            self.tabs[tab].is_cut_off = false;
            let comes_back = self.rng.one_in(2);
            for link in self.live.iter().filter(|_| comes_back) {
                let mut link = self.links[*link].borrow_mut();
                link.dead &= link.slot.is_none();
            }
            return;
        }
        if self.live.is_empty() {
            return;
        }
        let at = *self.rng.pick(&self.live);
        let mut link = self.links[at].borrow_mut();
        match what {
            What::CutOff if link.slot.is_some() => {
                link.dead = true;
                link.note.blame.get_or_insert("its network swallows everything");
                if let crate::client::Kind::Tab(tab) = self.clients[at].kind {
                    self.tabs[tab].is_cut_off = self.rng.one_in(2);
                }
            }
            What::Reset => {
                drop(link);
                let kind = self.clients[at].kind;
                self.leave(at, Some(End::Reset));
                if let crate::client::Kind::Tab(tab) = kind {
                    self.tab_lost(tab, 1006);
                }
                return;
            }
            What::Choke => {
                link.choked = true;
                link.room = link.room.min(*self.rng.pick(&[1 << 20, 100_000, 3000]));
                link.note.was_slow = true;
            }
            What::Unchoke => link.choked = false,
            What::Throttle => {
                let rate = *self.rng.pick(&RATES);
                link.throttle((!self.rng.one_in(4)).then_some(rate));
            }
            What::Split => {
                link.pieces = (0..1 + self.rng.below(10)).map(|_| 1 + self.rng.below(40)).collect();
            }
            What::Slow => link.lag = self.rng.in_ms(0, 200),
            What::Nudge => link.edge = link.slot.is_some() && !link.server_gone,
            _ => {}
        }
        drop(link);
        self.tell(|| format!("link {at}: {what:?}"));
    }
}
