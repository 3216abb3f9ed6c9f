//! Writes a file of a journal: its lines, and how much of them is synced.

use std::io;

use super::history;
use super::line::{self, Chain};
use super::{Place, Store};
use crate::config::Millis;
use crate::state::Part;

/// The inputs of a turn.
pub(super) struct Turn {
    pub(super) at: Millis,
    /// The inside of a JSON array.
    pub(super) inputs: Vec<u8>,
}

/// One of the two files that there may be.
pub(super) struct Log {
    place: Place,
    chain: Chain,
    /// The bytes written, and the bytes synced.
    pub(super) written_bytes: u64,
    synced_bytes: u64,
    /// The size of the snapshot, in bytes.
    pub(super) snapshot_bytes: u64,
}

impl Log {
    /// Begins the file that will replace the current one.
    pub(super) fn begin(store: &mut dyn Store) -> io::Result<Self> {
        store.begin()?;
        let header = history::header();
        store.append(Place::Next, format!("{header}\n").as_bytes())?;
        let bytes = header.len() as u64 + 1;
        let chain = Chain::start(&header);
        Ok(Self { place: Place::Next, chain, written_bytes: bytes, synced_bytes: 0, snapshot_bytes: bytes })
    }

    /// Appends turns in one write, each as a line.
    pub(super) fn append_turns(&mut self, turns: &[Turn], store: &mut dyn Store) -> io::Result<()> {
        let mut lines = Vec::new();
        for Turn { at, inputs } in turns {
            let (mut at_digits, mut synced_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
            let (at, synced) = (at_digits.format(*at), synced_digits.format(self.synced_bytes));
            let parts: [&[u8]; 7] = [
                b"{\"at\":",
                at.as_bytes(),
                line::SYNCED,
                synced.as_bytes(),
                b",\"inputs\":[",
                inputs,
                b"]}",
            ];
            self.chain.append(&parts.concat(), &mut lines);
        }
        self.append(&lines, store)
    }

    /// Appends a part of the snapshot that was made at this time.
    pub(super) fn append_part(&mut self, at: Millis, part: &Part, store: &mut dyn Store) -> io::Result<()> {
        let mut line = Vec::new();
        self.chain.append(&history::part_json(at, part)?, &mut line);
        self.append(&line, store)?;
        self.snapshot_bytes += line.len() as u64;
        Ok(())
    }

    fn append(&mut self, lines: &[u8], store: &mut dyn Store) -> io::Result<()> {
        if !lines.is_empty() {
            store.append(self.place, lines)?;
            self.written_bytes += lines.len() as u64;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, store: &mut dyn Store) -> io::Result<()> {
        store.sync(self.place)?;
        self.synced_bytes = self.written_bytes;
        Ok(())
    }

    /// Replaces the current file by this one.
    pub(super) fn take_place(&mut self, store: &mut dyn Store) -> io::Result<()> {
        store.replace()?;
        self.place = Place::Current;
        self.synced_bytes = self.written_bytes;
        Ok(())
    }

    /// Returns the size of the turns after the snapshot, in bytes.
    pub(super) fn bytes_behind(&self) -> u64 {
        self.written_bytes - self.snapshot_bytes
    }
}
