//! Bugs of what is kept, and of how a desk goes on from it.

use super::{Bug, bug};

const DESK: &str = "src/desk/service.rs";
const GOES_ON: &str = "src/desk/keeping.rs";
const HISTORY: &str = "src/journal/history.rs";
const HUB: &str = "src/hub/keeping.rs";
const INPUT: &str = "src/state/command.rs";
const JOURNAL: &str = "src/journal/mod.rs";
const LINE: &str = "src/journal/line.rs";
const LOG: &str = "src/journal/log.rs";
const RESTART: &str = "src/state/restart.rs";
const PARTS: &str = "src/state/parts.rs";
const SLOTS: &str = "src/state/slots.rs";
const SNAPSHOT: &str = "src/journal/snapshot.rs";
const USERS: &str = "src/state/users.rs";

pub(super) const BUGS: &[Bug] = &[
    bug(
        "nothing is confirmed before it is kept",
        HUB,
        "service.is_kept().then_some(Self(PhantomData))",
        "(service.is_kept() || true).then_some(Self(PhantomData))",
    ),
    bug(
        "input counts as kept only once it is synced",
        JOURNAL,
        "JournalSync::Turn => true,",
        "JournalSync::Turn => self.at % 2 == 0,",
    ),
    bug(
        "every input of State is kept",
        DESK,
        "self.submit(now, &Input::Drained(conn), out);",
        "self.apply(now, &Input::Drained(conn), out);",
    ),
    bug(
        "nothing is replayed twice",
        HISTORY,
        "            self.state.apply(at, input, &mut ());\n",
        "            self.state.apply(at, input, &mut ());\n            self.state.apply(at, input, &mut ());\n",
    ),
    bug(
        "a turn is written once",
        JOURNAL,
        "            self.turns.clear();\n",
        "            if self.at % 5 > 0 { self.turns.clear(); }\n",
    ),
    bug(
        "what happens while a snapshot is written is not lost with the file that it replaces",
        JOURNAL,
        "                snapshot.append_turns(&self.turns, store)?;\n",
        "                let _ = snapshot;\n",
    ),
    bug(
        "a snapshot has the State of its beginning",
        JOURNAL,
        "        let done = self.write_turns().and_then(|()| self.write_snapshot(state));",
        "        let done = self.write_snapshot(state).and_then(|()| self.write_turns());",
    ),
    bug(
        "a snapshot is complete before it replaces the last one",
        SNAPSHOT,
        "        match self.parts.next() {",
        "        match self.parts.next().filter(|_| now % 7 > 0) {",
    ),
    bug(
        "every part of a State is in its snapshot",
        PARTS,
        "                state.abandoned = take(&mut self.abandoned);\n",
        "",
    ),
    bug(
        "a session is valid after a restart",
        USERS,
        "            let Some(earlier) = user.absent_until else { continue };\n",
        "            user.session = SecretHash::of(\"\");\n            let Some(earlier) = user.absent_until else { continue };\n",
    ),
    bug(
        "inputs are replayed at the time at which they came",
        LOG,
        "let (at, synced) = (at_digits.format(*at),",
        "let (at, synced) = (at_digits.format(*at | 7),",
    ),
    bug(
        "a replayed State has the same digest",
        INPUT,
        "        self.hash.serialize(serializer)",
        "        SecretHash::of(\"\").serialize(serializer)",
    ),
    bug(
        "a State that is read gives the next user the same key",
        SLOTS,
        "        slots.free = (0..slots.end()).filter(|at| slots.slots[*at as usize].is_none()).collect();\n",
        "",
    ),
    bug(
        "an incomplete write is dropped",
        LINE,
        "        numbers.into_iter().any(|synced| synced > self.at)",
        "        numbers.into_iter().any(|synced| synced > self.at) || !tail.is_empty()",
    ),
    bug(
        "a restarted desk continues where it was",
        GOES_ON,
        "            self.state = history.state;\n",
        "            let _ = history.state;\n",
    ),
    bug(
        "connections end with the process",
        RESTART,
        "self.owners.conns() {\n            self.leaves(now, conn, out);\n",
        "self.owners.conns() {\n            let _ = (conn, &mut *out);\n",
    ),
    bug(
        "absent users have the whole grace time after a restart",
        RESTART,
        "        }\n        self.renew_grace(now);\n",
        "        }\n",
    ),
];
