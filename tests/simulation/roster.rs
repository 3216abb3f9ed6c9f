//! Which staff may sign in: with the desk's one token, or with those of a staff file, which the operator changes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use deskwire::desk::auth::StaffTokens;
use deskwire::ids::SecretHash;
use deskwire::kernel::PendingSignals;

use crate::pages::Page;
use crate::plan::Setup;
use crate::rng::Rng;
use crate::world::{TOKEN, World};

pub type SharedRoster = Rc<RefCell<Roster>>;

#[derive(Default)]
pub struct Roster {
    /// The staff file; without one, there is one token for all.
    file: Option<PathBuf>,
    /// Each member's token: as the file has it, and as the process has last read it.
    written: BTreeMap<String, String>,
    read: BTreeMap<String, String>,
    /// The file has a line that is not valid.
    is_spoilt: bool,
    tokens_made: u64,
    /// How often the process has read the file again.
    pub reloads: u64,
}

impl Roster {
    pub fn new(setup: &Setup) -> Self {
        static FILES: AtomicU64 = AtomicU64::new(0);
        if !setup.has_staff_file {
            return Self::default();
        }
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("staff-file-{}-{number}", std::process::id());
        let file = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let mut roster = Self::default();
        roster.file = file;
        for number in 0..setup.staff {
            let token = roster.new_token();
            roster.written.insert(format!("staff-{number}"), token);
        }
        roster.written.insert("mort".to_owned(), TOKEN.to_owned());
        roster.write();
        roster.read.clone_from(&roster.written);
        roster
    }

    fn new_token(&mut self) -> String {
        self.tokens_made += 1;
        format!("token-{}", self.tokens_made)
    }

    fn write(&self) {
        let Some(file) = &self.file else { return };
        let mut text = "# id, SHA-256 of the token\n\n".to_owned();
        for (id, token) in &self.written {
            writeln!(text, "{id} {}", SecretHash::of(token).to_hex()).expect("memory");
        }
        if self.is_spoilt {
            text.push_str("somebody without a hash\n");
        }
        fs::write(file, text).expect("the staff file");
    }

    /// Returns what a process that starts now is given, and makes the file valid before that.
    pub fn start(&mut self) -> (StaffTokens, Option<PathBuf>) {
        let Some(file) = self.file.clone() else { return (StaffTokens::desk(TOKEN).expect("a token"), None) };
        self.is_spoilt = false;
        self.write();
        self.read.clone_from(&self.written);
        (StaffTokens::read(&file).expect("a staff file"), Some(file))
    }

    /// Whether this secret signs this member in, judged by what the client has sent.
    pub fn admits(&self, id: &str, offered: Option<&str>) -> bool {
        let right = if self.file.is_some() { self.read.get(id).map(String::as_str) } else { Some(TOKEN) };
        right.is_some() && right == offered
    }

    /// The token that a member has been given.
    pub fn token_of(&self, id: &str) -> Option<&str> {
        if self.file.is_none() { Some(TOKEN) } else { self.written.get(id).map(String::as_str) }
    }

    /// The operator changes the file: a member leaves, gets a token, or the file becomes invalid or valid again.
    fn change(&mut self, setup: &Setup, rng: &mut Rng) {
        let id = format!("staff-{}", rng.below(setup.staff));
        match rng.below(4) {
            0 => _ = self.written.remove(&id),
            1 => self.is_spoilt = !self.is_spoilt,
            _ => {
                let token = self.new_token();
                self.written.insert(id, token);
            }
        }
        self.write();
    }

    /// Makes the file valid, with a token for each member.
    fn restore(&mut self, setup: &Setup) {
        self.is_spoilt = false;
        for number in 0..setup.staff {
            let token = self.new_token();
            self.written.entry(format!("staff-{number}")).or_insert(token);
        }
        self.write();
    }

    /// The process reads the file again. Returns the members whose token has changed.
    pub fn reload(&mut self) -> Vec<String> {
        self.reloads += 1;
        if self.file.is_none() || self.is_spoilt {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.read, self.written.clone());
        before.into_iter().filter(|(id, token)| self.read.get(id) != Some(token)).map(|(id, _)| id).collect()
    }
}

impl Drop for Roster {
    fn drop(&mut self) {
        self.file.iter().for_each(|file| _ = fs::remove_file(file));
    }
}

impl World {
    /// SIGHUP, mostly behind a change of the staff file.
    pub fn hang_up(&mut self) {
        if !self.rng.one_in(4) {
            self.roster.borrow_mut().change(&self.setup, &mut self.rng);
        }
        self.note(|| "SIGHUP".to_owned());
        self.machine.borrow_mut().signal(PendingSignals { reload: true, stop: false });
    }

    /// Lets all staff sign in.
    pub fn repair_roster(&mut self) {
        self.roster.borrow_mut().restore(&self.setup);
        self.machine.borrow_mut().signal(PendingSignals { reload: true, stop: false });
        (0..self.tabs.len()).for_each(|tab| self.give_token(tab));
    }

    /// The person at a console enters the token that they have been given.
    pub fn give_token(&mut self, tab: usize) {
        if let Page::Staffer(staffer) = &mut self.tabs[tab].page
            && let Some(token) = self.roster.borrow().token_of(&staffer.id)
        {
            staffer.token = token.to_owned();
        }
    }
}
