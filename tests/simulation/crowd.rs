//! Many users at once: most leave soon, and in a few worlds so many stay that a `welcome` does not list all tickets.

use crate::client::Kind;
use crate::network::End;
use crate::pages::Page;
use crate::websocket;
use crate::world::World;

/// More than the "tickets in a `welcome` | 200".
const TICKETS_MIN: usize = 205;

impl World {
    /// Reloads all consoles, so that they are sent a `welcome`.
    fn reload_consoles(&mut self) {
        for tab in 0..self.tabs.len() {
            if matches!(self.tabs[tab].page, Page::Staffer(_)) && self.tabs[tab].is_loaded {
                self.detach(tab);
                self.tabs[tab].unload(self.now);
                self.tabs[tab].start(self.now);
            }
        }
    }

    pub fn crowd(&mut self) {
        let stays = self.setup.is_crowded && self.guests < TICKETS_MIN;
        let count = if stays { TICKETS_MIN + self.rng.below(20) } else { 10 + self.rng.below(30) };
        self.note(|| format!("{count} users come{}", if stays { ", and stay" } else { "" }));
        for _ in 0..count {
            let link = self.dial(Kind::Nobody);
            let head =
                websocket::head(&format!("/ws/user/guest-{}", self.guests), &["deskwire.v1".to_owned()]);
            self.guests += 1;
            self.links[link].borrow_mut().send(&head, self.now);
            // Where new tickets are limited, a crowd asks for more than its address may open at once.
            if stays || self.setup.limits_tickets || self.rng.one_in(3) {
                self.say(link, r#"{"type":"create_ticket","subject":"me too"}"#);
            }
            if !stays {
                let how = *self.rng.pick(&[Some(End::Fin), Some(End::Reset), None]);
                self.leave(link, how);
            }
        }
        if stays {
            self.pass(400);
            self.reload_consoles();
        }
    }
}
