//! Bugs of State.

use super::Detector::Unit;
use super::{Bug, bug, bug_for};

const ASSIGN: &str = "src/state/assign.rs";
const BOARD: &str = "src/state/board.rs";
const CHAT: &str = "src/state/chat.rs";
const CONVERSATION: &str = "src/state/conversation.rs";
const HELD: &str = "src/state/held.rs";
const FANOUT: &str = "src/state/fanout.rs";
const LINK: &str = "src/state/link.rs";
const QUEUE: &str = "src/state/queue.rs";
const RANK_INDEX: &str = "src/state/rank_index.rs";
const RATING: &str = "src/state/rating.rs";
const RECAP: &str = "src/state/recap.rs";
const STAFF: &str = "src/state/staff.rs";
const STATE: &str = "src/state/mod.rs";
const TICKET: &str = "src/state/ticket.rs";
const USERS: &str = "src/state/users.rs";

pub(super) const BUGS: &[Bug] = &[
    bug(
        "what a user has not confirmed is sent again after the welcome",
        USERS,
        "            self.relay_held(number, Side::Staff, out);\n",
        "",
    ),
    bug(
        "an id stays its user's for the grace time after a ticket closed in their absence",
        USERS,
        "None if known_until > now => self.await_user(key, known_until),",
        "None if known_until > now && false => self.await_user(key, known_until),",
    ),
    bug(
        "what was held for a user whose ticket ended is sent after the welcome, too",
        USERS,
        "ended.unrelayed.reset_connection();",
        "let _ = &ended.unrelayed;",
    ),
    bug(
        "what is not confirmed is sent again after a pick",
        TICKET,
        "        self.relay_held(number, Side::User, out);\n",
        "",
    ),
    bug(
        "a ticket is only its owner's",
        TICKET,
        "let is_own = self.tickets[number].status == Status::Active(key);",
        "let is_own = matches!(self.tickets[number].status, Status::Active(_)) && self.staff[key].online;",
    ),
    bug(
        "only a ticket that waits or is paused can be picked",
        TICKET,
        "if let Status::Active(_) = self.tickets[number].status {",
        "if self.tickets[number].status == Status::Active(key) {",
    ),
    bug(
        "a repeated id is never relayed twice",
        CONVERSATION,
        "(id <= sent.last_id).then_some(",
        "(id < sent.last_id).then_some(",
    ),
    bug(
        "a connection that was replaced takes nothing with it",
        USERS,
        "            self.owners.remove(older.conn);\n",
        "",
    ),
    bug(
        "staff who have left are not online",
        USERS,
        "        user.link = None;\n        let (ticket",
        "        if user.ticket.is_none() {\n            user.link = None;\n        }\n        let (ticket",
    ),
    bug(
        "what is not confirmed stays",
        HELD,
        "rings.messages.front().is_some_and(|message| message.seq <= seq)",
        "rings.messages.front().is_some_and(|message| message.seq <= seq + 1)",
    ),
    bug(
        "200 messages are held, and no more",
        HELD,
        "rings.messages.len() < HELD_MESSAGES_MAX &&",
        "rings.messages.len() < 2 * HELD_MESSAGES_MAX &&",
    ),
    bug(
        "64 KiB are held, and no more",
        HELD,
        "rings.texts.len() + text.len() <= HELD_BYTES_MAX",
        "rings.texts.len() + text.len() <= 2 * HELD_BYTES_MAX",
    ),
    bug(
        "seq is without gaps",
        CONVERSATION,
        "        self.last_seq = seq;",
        "        self.last_seq = seq + u64::from(at % 16 == 0);",
    ),
    bug(
        "delivered is only what was there to be shown",
        CONVERSATION,
        "        if seq > self.last_seq {",
        "        if seq > self.last_seq + (1 << 50) {",
    ),
    bug(
        "a place in the queue counts from 1",
        RANK_INDEX,
        "        before as u64 + 1",
        "        before as u64",
    ),
    bug(
        "a change of place is sent",
        QUEUE,
        "            self.set_present(number, false);\n            self.note_moved(number, now);",
        "            self.set_present(number, false);\n            if self.notice_due == Some(now) {\n                self.note_moved(number, now);\n            }",
    ),
    bug(
        "all between two who moved are sent their place",
        QUEUE,
        "changed.first().copied().zip(changed.last().copied())",
        "changed.first().copied().zip(changed.first().copied())",
    ),
    bug(
        "a user who is back is sent their place",
        QUEUE,
        "            self.notice_pending.insert(number);\n            self.changed(now);",
        "            self.changed(now);",
    ),
    bug(
        "the grace time ends when the user is back",
        USERS,
        "            self.alarms.remove(&(due, Alarm::Absence(key)));\n            self.known_absent.remove(&(due, key));\n            if let",
        "            self.known_absent.remove(&(due, key));\n            if let",
    ),
    bug(
        "a ticket without its user closes after the grace time",
        USERS,
        "        self.alarms.insert((due, Alarm::Absence(key)));\n",
        "",
    ),
    bug(
        "of two connections of one user, the older is closed",
        USERS,
        "            out.close(older.conn, Dismissal::Elsewhere);\n",
        "",
    ),
    bug(
        "a user id is only for a client with its session",
        USERS,
        "if offered.hash() == self.users[*key].session =>",
        "if !offered.plain().is_empty() =>",
    ),
    bug(
        "a locked chat relays nothing",
        CHAT,
        "let reader = reader.filter(|_| matches!(ticket.status, Status::Active(_)));",
        "let reader = reader.or_else(|| self.staff[ticket.status.staff()?].link.as_ref());",
    ),
    bug(
        "a typing notice ends after 6 s",
        CHAT,
        "            self.stop_typing(number, side, out);\n        }\n    }\n\n    /// Sends one",
        "        }\n    }\n\n    /// Sends one",
    ),
    bug(
        "a ticket is assigned only to staff with capacity",
        ASSIGN,
        "(self.staff[key].online && self.has_capacity(key)).then(",
        "self.staff[key].online.then(",
    ),
    bug(
        "what waits is assigned in the same turn",
        STATE,
        "            Input::NodeEnds(node) => self.node_ends(now, *node, out),\n        }\n        self.assign_waiting(now, out);",
        "            Input::NodeEnds(node) => self.node_ends(now, *node, out),\n        }",
    ),
    bug(
        "what is owed is relayed once",
        CHAT,
        "        self.tickets[number].conversation.set_relayed(from, relayed);",
        "        self.tickets[number].conversation.set_relayed(from, if is_whole { relayed } else { 0 });",
    ),
    bug(
        "what was accepted for a slow reader is relayed later",
        CHAT,
        "        if is_behind {\n            self.note_behind(number, side.other());\n        }\n        Ok(())",
        "        Ok(())",
    ),
    bug(
        "a receipt is sent to a slow reader in the end",
        CHAT,
        "                return self.note_behind(number, side);",
        "                return;",
    ),
    bug(
        "a typing notice ends for a slow reader, too",
        CHAT,
        "        if !link.has_credit() {\n            return self.note_behind(number, side.other());\n        }\n        link.send(&Event::Typing",
        "        if !link.has_credit() {\n            return;\n        }\n        link.send(&Event::Typing",
    ),
    bug(
        "a user is sent the end after the last message",
        USERS,
        "            Some(link) if link.has_credit() => {\n                link.send(&Event::TicketClosed",
        "            Some(link) => {\n                link.send(&Event::TicketClosed",
    ),
    bug(
        "staff are sent the end after the last message",
        TICKET,
        "if staff.link.as_ref().is_some_and(Link::has_credit) {",
        "if staff.link.is_some() {",
    ),
    bug(
        "a user who was not sent the end of a chat has no other ticket",
        STAFF,
        "staff.active.len() + staff.closed.len() <",
        "staff.active.len() <",
    ),
    bug(
        "a user has no new ticket before the end of the one before was sent",
        USERS,
        "            Some(_) => Err(ErrorCode::TicketExists),\n            None",
        "            Some(_) => Ok(()),\n            None",
    ),
    bug(
        "a status is sent to a slow reader in the end",
        USERS,
        "            self.catch_up_chat(now, number, Side::User, out);\n            self.send_status(now, number, out);",
        "            self.catch_up_chat(now, number, Side::User, out);",
    ),
    bug(
        "messages from before a chat was locked are sent before that notice",
        USERS,
        "            if is_open {\n",
        "            if is_open || true {\n",
    ),
    bug(
        "that staff are online is sent to a slow reader in the end",
        USERS,
        "        self.send_desk(key, out);\n        if let",
        "        if let",
    ),
    bug(
        "a colleague is sent to a slow reader in the end",
        FANOUT,
        "                self.staff[*key].colleagues.insert(id.clone());",
        "",
    ),
    bug(
        "staff who are sent their ticket early are sent colleagues too",
        BOARD,
        "                self.catch_up_colleagues(owner, out);\n",
        "",
    ),
    bug(
        "a ticket that is gone leaves every board",
        FANOUT,
        "None => out.emit_all(knowing, &Event::TicketRemoved { ticket: self.ids.id(number) }),",
        "None => {}",
    ),
    bug(
        "a change is sent to a slow board in the end",
        FANOUT,
        "(false, _) => member.board.note(number),",
        "(false, _) => {}",
    ),
    bug(
        "changes are gathered",
        FANOUT,
        "self.due = Some(now.max(self.batch_at + GATHER_MS));",
        "self.due = Some(now);",
    ),
    bug(
        "one's own ticket is sent at once",
        BOARD,
        "let owner = self.tickets[number].status.staff().filter(|key| self.takes_more(*key));",
        "let owner = self.tickets[number].status.staff().filter(|key| self.takes_more(*key) && now % 2 == 0);",
    ),
    bug(
        "a credit is refilled",
        STATE,
        "                self.staff[key].link.iter().for_each(Link::refill);\n",
        "",
    ),
    bug("a credit ends", LINK, "        self.credit.get() > 0\n", "        true\n"),
    bug(
        "a slow reader is assigned nothing meanwhile",
        ASSIGN,
        "ranked.filter(|key| self.takes_more(*key))",
        "ranked.filter(|_| true)",
    ),
    bug(
        "a slow reader is transferred nothing meanwhile",
        TICKET,
        "if !self.has_capacity(target) || !self.takes_more(target) {",
        "if !self.has_capacity(target) {",
    ),
    bug(
        "a ticket is rated once",
        RATING,
        "let Unrated { staff, .. } = *unrated.ok_or(ErrorCode::NoTicket)?;",
        "let Unrated { staff, .. } = *unrated.ok_or(ErrorCode::NoTicket)?;\n        self.users[key].unrated = Some(Box::new(Unrated { ticket, staff: staff.clone() }));",
    ),
    bug(
        "a ticket is rated by its own user alone",
        RATING,
        "let unrated = self.users[key].unrated.take_if(|unrated| unrated.ticket == ticket);",
        "let theirs = self.users.keys::<UserKey>().into_iter().find(|key| self.users[*key].unrated.as_ref().is_some_and(|unrated| unrated.ticket == ticket));\n        let unrated = theirs.and_then(|key| self.users[key].unrated.take());",
    ),
    bug("a rating is sent to a slow reader in the end", STAFF, "        self.send_ratings(key, out);\n", ""),
    bug(
        "a ticket that was released was last with the one who released it",
        RATING,
        "Status::Waiting => ticket.released_by.clone(),",
        "Status::Waiting => None,",
    ),
    bug("a recap is relayed once for each pick", RECAP, "        ticket.has_recap = true;\n", ""),
    bug(
        "the next to pick is sent a recap, too",
        TICKET,
        "(ticket.since, ticket.was_picked, ticket.has_recap) = (now, true, false);",
        "(ticket.since, ticket.was_picked) = (now, true);",
    ),
    bug(
        "a recap is not sent to a connection that is behind",
        RECAP,
        "        if !link.has_credit() {",
        "        if ticket.has_recap {",
    ),
    bug(
        "no text of a recap is kept",
        RECAP,
        "Recap { lines: Vec::new(), bytes: self.bytes }",
        "Recap { lines: self.lines.iter().map(|line| RecapLine { from: line.from, name: None, text: JsonText::from_parsed(std::borrow::Cow::Owned(line.text.as_str().to_owned())), at: line.at }).collect(), bytes: self.bytes }",
    ),
    bug(
        "the ticket whose user has been absent longest is closed first",
        TICKET,
        "self.abandoned.first().copied()",
        "self.abandoned.last().copied()",
    ),
    bug(
        "a ticket that was picked is not closed for another",
        USERS,
        "                if !self.tickets[number].was_picked {",
        "                if self.tickets.contains(number) {",
    ),
    bug(
        "a desk that is full takes no ticket",
        TICKET,
        "self.tickets.len() >= tickets_max",
        "self.tickets.len() > tickets_max",
    ),
    bug_for(
        Unit("state::tests::floods"),
        "the texts of all open tickets take no more than there is memory for",
        TICKET,
        "self.tickets.text_bytes() + text_bytes > text_bytes_max",
        "self.tickets.text_bytes() + text_bytes > usize::MAX / 2 + text_bytes_max",
    ),
    bug_for(
        Unit("state::tests::floods"),
        "of a flood of changes each board is sent a share at a time",
        BOARD,
        "self.allowance = self.allowance.saturating_sub(bytes);",
        "self.allowance = self.allowance.saturating_sub(bytes).max(1);",
    ),
];
