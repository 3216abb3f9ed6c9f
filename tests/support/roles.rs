//! The two roles, user and staff member, with the requests of each.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::client::{Peer, bare, text};
use super::wire::Wire;

/// A client on `/ws/user/`.
pub struct User {
    peer: Peer,
    pub welcome: Value,
    /// The secret that another connection of this user has to offer.
    pub session: String,
}

impl User {
    /// Reads the `welcome`, which comes before anything else.
    pub fn welcomed(mut peer: Peer) -> Self {
        let welcome = peer.next();
        assert_eq!(welcome["type"], "welcome", "the first frame");
        assert_eq!(welcome["user_id"], peer.name.as_str());
        assert_eq!(welcome["protocol"], 1);
        let session = text(&welcome, "session");
        Self { peer, welcome, session }
    }

    /// Opens a ticket and reads its place in the queue, which a desk sends where staff pick tickets themselves.
    pub fn create(&mut self, subject: &str) -> String {
        let ticket = self.open(subject);
        let queue = self.expect("queue");
        assert_eq!(queue["ticket_id"], ticket.as_str());
        ticket
    }

    /// Opens a ticket. If the server assigns tickets, it may never have a place in the queue.
    pub fn open(&mut self, subject: &str) -> String {
        self.send(&json!({ "type": "create_ticket", "subject": subject }));
        let created = self.expect("ticket_created");
        assert_eq!(created["subject"], subject);
        text(&created, "ticket_id")
    }

    pub fn say(&mut self, id: u64, text: &str) {
        self.send(&json!({ "type": "message", "id": id, "text": text }));
    }

    pub fn delivered(&mut self, seq: u64) {
        self.send(&json!({ "type": "delivered", "seq": seq }));
    }

    pub fn typing(&mut self, active: bool) {
        self.send(&json!({ "type": "typing", "active": active }));
    }

    pub fn rate(&mut self, ticket: &str, score: u64) {
        self.send(&json!({ "type": "rate_ticket", "ticket_id": ticket, "score": score }));
    }

    /// Sends the part of the chat that the page has stored.
    pub fn recap(&mut self, lines: &Value) {
        self.send(&json!({ "type": "recap", "lines": lines }));
    }

    pub fn close_ticket(&mut self) {
        self.send(&bare("close_ticket"));
    }
}

/// A client on `/ws/staff/`.
pub struct Staff {
    peer: Peer,
    pub welcome: Value,
}

impl Staff {
    pub fn welcomed(mut peer: Peer) -> Self {
        let welcome = peer.next();
        assert_eq!(welcome["type"], "welcome", "the first frame");
        assert_eq!(welcome["staff_id"], peer.name.as_str());
        assert_eq!(welcome["protocol"], 1);
        assert_eq!(welcome["online"], false, "a new connection starts offline");
        Self { peer, welcome }
    }

    pub fn online(mut self) -> Self {
        self.go_online();
        self
    }

    pub fn go_online(&mut self) {
        self.send(&bare("go_online"));
        assert_eq!(self.expect("presence")["online"], true);
    }

    pub fn go_offline(&mut self) {
        self.send(&bare("go_offline"));
        assert_eq!(self.expect("presence")["online"], false);
    }

    /// Asks to pick a ticket, without reading the answer.
    pub fn ask_for(&mut self, ticket: &str) {
        self.send(&json!({ "type": "pick_ticket", "ticket_id": ticket }));
    }

    pub fn pick(&mut self, ticket: &str) -> Value {
        self.ask_for(ticket);
        let picked = self.expect("ticket_picked");
        assert_eq!(picked["ticket_id"], ticket);
        picked
    }

    pub fn release(&mut self, ticket: &str) {
        self.send(&json!({ "type": "release_ticket", "ticket_id": ticket }));
    }

    pub fn transfer(&mut self, ticket: &str, to: &str, note: &str) {
        self.send(&json!({ "type": "transfer_ticket", "ticket_id": ticket, "to": to, "note": note }));
    }

    pub fn say(&mut self, ticket: &str, id: u64, text: &str) {
        self.send(&json!({ "type": "message", "ticket_id": ticket, "id": id, "text": text }));
    }

    pub fn delivered(&mut self, ticket: &str, seq: u64) {
        self.send(&json!({ "type": "delivered", "ticket_id": ticket, "seq": seq }));
    }

    pub fn typing(&mut self, ticket: &str, active: bool) {
        self.send(&json!({ "type": "typing", "ticket_id": ticket, "active": active }));
    }

    pub fn close_ticket(&mut self, ticket: &str) {
        self.send(&json!({ "type": "close_ticket", "ticket_id": ticket }));
    }

    /// The next matching change of the list of tickets. A new ticket counts as a change.
    pub fn sees_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let is_change = |m: &Value| m["type"] == "ticket_added" || m["type"] == "ticket_updated";
        self.expect_matching(what, |m| is_change(m) && wanted(m))["ticket"].take()
    }

    /// The list entry of this ticket, from the change that put it into this state.
    pub fn sees(&mut self, ticket: &str, state: &str) -> Value {
        let what = format!("{ticket} turning {state}");
        let wanted = |m: &Value| m["ticket"]["ticket_id"] == ticket && m["ticket"]["state"] == state;
        self.sees_where(&what, wanted)
    }
}

/// Makes a role dereference to its peer. Methods that end the connection consume the role.
macro_rules! impl_peer {
    ($role:ty) => {
        impl Deref for $role {
            type Target = Peer;
            fn deref(&self) -> &Peer {
                &self.peer
            }
        }

        impl DerefMut for $role {
            fn deref_mut(&mut self) -> &mut Peer {
                &mut self.peer
            }
        }

        impl $role {
            pub fn leave(self) {
                self.peer.leave();
            }

            pub fn leave_with(self, code: u16, reason: &str) {
                self.peer.leave_with(code, reason);
            }

            pub fn cut(self) {
                self.peer.cut();
            }

            pub fn fin(self) {
                self.peer.fin();
            }

            pub fn expect_close(self, code: u16) -> String {
                self.peer.expect_close(code)
            }

            pub fn expect_end(self) {
                self.peer.expect_end();
            }

            pub fn into_wire(self) -> Wire {
                self.peer.into_wire()
            }
        }
    };
}

impl_peer!(User);
impl_peer!(Staff);
