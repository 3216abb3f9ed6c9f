//! One step: who does what, drawn from the step's salt.

use crate::network::End;
use crate::pages::{Act, Chat, Conversation, Fate, Page, Staffer, Status, Tab, Visitor};
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
        self.note(|| format!("-- {:?}", step.what));
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
            What::Retry => self.retry(),
            What::Reload | What::Duplicate | What::Leave | What::Return => self.open_or_leave(step.what),
            What::Attack => self.attack(),
            What::Snapshot => self.check_state(),
            What::Stop => self.stop(),
            What::Crowd => self.crowd(),
            What::Hangup => self.hang_up(),
            What::Late | What::Freeze | What::Spurious => self.go_wrong(step.what),
            What::AcceptFails | What::WatchFails | What::FewDescriptors => self.go_wrong(step.what),
            network => self.disturb(network),
        }
        self.rate();
        self.pass(0);
        if self.setup.replays {
            self.check_disk();
        }
    }

    fn some_tab(&mut self, fits: impl Fn(&Tab) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.tabs.len()).filter(|at| fits(&self.tabs[*at])).collect();
        (!fitting.is_empty()).then(|| *self.rng.pick(&fitting))
    }

    fn some_visitor(&mut self, fits: impl Fn(&Visitor) -> bool) -> Option<usize> {
        self.some_tab(|tab| tab.is_loaded && matches!(&tab.page, Page::Visitor(visitor) if fits(visitor)))
    }

    fn some_staffer(&mut self, fits: impl Fn(&Staffer) -> bool) -> Option<usize> {
        self.some_tab(|tab| tab.is_loaded && matches!(&tab.page, Page::Staffer(staffer) if fits(staffer)))
    }

    fn ask(&mut self) {
        let Some(tab) = self.some_visitor(|_| true) else { return };
        let subject =
            self.rng.pick(&["help", "Hilfe \u{e4}\u{1F600}", "a \"quoted\"\tsubject", "x"]).to_string();
        if matches!(&self.tabs[tab].page, Page::Visitor(visitor) if visitor.may_ask()) {
            self.act(tab, &Act::Ask(subject));
        }
    }

    /// A user whose page offers it may rate the ticket that has ended.
    fn rate(&mut self) {
        let (score, is_willing) = (1 + self.rng.below(5) as u64, self.rng.one_in(2));
        let is_offered = |tab: &Tab| match &tab.page {
            Page::Visitor(visitor) => tab.is_loaded && visitor.may_rate(tab.line.status == Status::Open),
            Page::Staffer(_) => false,
        };
        if let Some(tab) = self.some_tab(is_offered).filter(|_| is_willing) {
            self.act(tab, &Act::Rate(score));
        }
    }

    /// Picks a tab and one of its chats that is not closed. Staff may write only in the chat that is on the screen.
    fn some_chat(&mut self) -> Option<(usize, String)> {
        let is_there = |chat: &Conversation| chat.is_open && chat.state != Chat::Closed;
        let tab = self.some_tab(|tab| tab.is_loaded && tab.page.chats().iter().any(is_there))?;
        let nth = self.rng.below(4);
        let open: Vec<&Conversation> = self.tabs[tab].page.chats().iter().filter(|c| c.is_open).collect();
        Some((tab, open[nth % open.len()].ticket.clone()))
    }

    /// Shows a chat. True if something can be written in it.
    fn show_to_write(&mut self, tab: usize, ticket: &str) -> bool {
        let is_elsewhere = matches!(&self.tabs[tab].page, Page::Staffer(staffer) if staffer.shown.as_deref() != Some(ticket));
        if is_elsewhere {
            self.act(tab, &Act::Show(Some(ticket.to_owned())));
        }
        self.tabs[tab].page.may_write(self.tabs[tab].line.status == Status::Open)
    }

    fn say_something(&mut self, count: usize, is_long: bool) {
        let filling =
            *self.rng.pick(&["hello ", "\u{e4}\u{f6}\u{fc} ", "\u{1F600}", "\"\\\n\t", "</script>"]);
        let length = if self.rng.one_in(20) { 300 } else { self.rng.below(30) };
        let (filling, length) = if is_long { ("\u{1F600}", 15_900) } else { (filling, length) };
        let Some((tab, ticket)) = self.some_chat() else { return };
        if !self.show_to_write(tab, &ticket) {
            return; // the composer is locked
        }
        let by_user = matches!(self.tabs[tab].page, Page::Visitor(_));
        for _ in 0..count {
            let text = self.ledger.text(&ticket, by_user, length, filling);
            self.act(tab, &Act::Write(text));
        }
    }

    /// Sends more than the desk holds for a side that does not confirm, or queues for one that does not read.
    fn say_much(&mut self) {
        let (count, is_long) =
            *self.rng.pick(&[(12, false), (40, false), (230, false), (5, true), (20, true)]);
        self.say_something(count, is_long);
    }

    fn type_something(&mut self) {
        let is_something = !self.rng.one_in(3);
        let Some((tab, ticket)) = self.some_chat() else { return };
        if self.show_to_write(tab, &ticket) {
            self.act(tab, &Act::Type(is_something));
        }
    }

    fn retry(&mut self) {
        let Some((tab, ticket)) = self.some_chat() else { return };
        let page = &self.tabs[tab].page;
        let chat = page.chats().iter().find(|chat| chat.ticket == ticket && chat.state != Chat::Closed);
        if chat.is_some_and(|chat| chat.entries.iter().any(|entry| entry.fate == Fate::Failed)) {
            let by_user = matches!(page, Page::Visitor(_));
            let text = self.ledger.text(&ticket, by_user, 0, "");
            self.act(tab, &Act::Retry(ticket, text));
        }
    }

    /// Somebody closes, releases or transfers a ticket; staff sometimes one that is not theirs.
    fn end_chat(&mut self, what: What) {
        let by_user = what == What::CloseTicket && self.rng.one_in(2);
        let tab = if by_user { self.some_visitor(|_| true) } else { self.some_staffer(|_| true) };
        let Some(tab) = tab else { return };
        let nth = self.rng.below(8);
        let anybody = format!("staff-{}", self.rng.below(self.setup.staff + 1));
        let (is_anybody, nth_colleague) = (self.rng.one_in(4), self.rng.below(8));
        let note = *self.rng.pick(&["", "please", "knows \"more\""]);
        let is_open = self.tabs[tab].line.status == Status::Open;
        let act = match &self.tabs[tab].page {
            Page::Visitor(visitor) => {
                let is_closed = visitor.chat.as_ref().is_none_or(|chat| chat.state == Chat::Closed);
                (is_open && !is_closed).then_some(Act::CloseOwn)
            }
            Page::Staffer(staffer) => {
                let mut tickets = staffer.active();
                if nth == 0 {
                    tickets = staffer.board.keys().cloned().collect();
                }
                let ticket = tickets.get(nth % tickets.len().max(1)).cloned();
                let online = staffer.colleagues.iter().nth(nth_colleague % staffer.colleagues.len().max(1));
                let colleague = online.filter(|_| !is_anybody).cloned().unwrap_or(anybody);
                ticket.map(|ticket| match what {
                    What::Release => Act::Button("release_ticket", ticket, None),
                    What::Transfer => {
                        Act::Button("transfer_ticket", ticket, Some((colleague, note.to_owned())))
                    }
                    _ => Act::Button("close_ticket", ticket, None),
                })
            }
        };
        if let Some(act) = act {
            self.act(tab, &act);
        }
    }

    fn set_online(&mut self, online: bool) {
        if let Some(tab) = self.some_staffer(|staffer| staffer.online != online) {
            self.act(tab, &Act::GoOnline(online));
        }
    }

    /// Picks a ticket: mostly one that waits, sometimes one that others have; sometimes with too many chats.
    fn pick(&mut self) {
        let Some(tab) = self.some_staffer(|staffer| !staffer.board.is_empty()) else { return };
        let (any, nth) = (self.rng.one_in(6), self.rng.below(8));
        let Page::Staffer(staffer) = &self.tabs[tab].page else { return };
        let free = |ticket: &serde_json::Value| any || ticket["state"] != "active";
        let tickets: Vec<String> =
            staffer.board.iter().filter(|(_, ticket)| free(ticket)).map(|(id, _)| id.clone()).collect();
        if let Some(ticket) = tickets.get(nth % tickets.len().max(1)) {
            self.act(tab, &Act::Button("pick_ticket", ticket.clone(), None));
        }
    }

    fn show(&mut self) {
        let Some(tab) = self.some_staffer(|staffer| !staffer.opened().is_empty()) else { return };
        let nth = self.rng.below(8);
        let Page::Staffer(staffer) = &self.tabs[tab].page else { return };
        let opened = staffer.opened();
        self.act(tab, &Act::Show(Some(opened[nth % opened.len()].clone())));
    }

    fn look(&mut self, looks: bool) {
        if let Some(tab) = self.some_tab(|tab| tab.is_loaded && tab.hidden == looks) {
            self.act(tab, &Act::Look(looks));
        }
    }

    fn open_or_leave(&mut self, what: What) {
        let is_stopped = |tab: &Tab| tab.line.status == Status::Stopped;
        let Some(tab) = self.some_tab(|tab| is_stopped(tab) == (what == What::Return)) else { return };
        let now = self.now;
        match what {
            What::Return => {
                self.give_token(tab);
                self.tabs[tab].start(now);
            }
            What::Duplicate => {
                let path = self.tabs[tab].path();
                if self.tabs.iter().filter(|tab| tab.path() == path).count() < TABS_EACH {
                    let mut copy = self.tabs[tab].clone();
                    copy.unload(now);
                    copy.number = self.tabs.len() as u64;
                    copy.start(now);
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
                self.tabs[tab].unload(now);
                if what == What::Reload {
                    self.tabs[tab].start(now);
                }
            }
        }
    }

    /// Lets a tab reach the server again. Its old links may work again, too.
    fn repair_line(&mut self) {
        let Some(tab) = self.some_tab(|tab| tab.is_cut_off) else { return };
        self.tabs[tab].is_cut_off = false;
        let comes_back = self.rng.one_in(2);
        for link in self.live.iter().filter(|_| comes_back) {
            let mut link = self.links[*link].borrow_mut();
            link.dead &= link.slot.is_none();
        }
    }

    /// Changes how a link behaves.
    fn disturb(&mut self, what: What) {
        if what == What::Repair {
            return self.repair_line();
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
                    self.tab_lost(tab, Some(1006));
                }
                return;
            }
            What::Choke => {
                link.choked = true;
                link.send_buffer_bytes =
                    link.send_buffer_bytes.min(*self.rng.pick(&[1 << 20, 100_000, 3000]));
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
        self.note(|| format!("link {at}: {what:?}"));
    }
}
