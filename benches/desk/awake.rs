//! Keeps the cores from going to sleep, so that latencies show the servers and not how soon the machine wakes a core.
//!
//! A virtual core that sleeps is given away by its host, and comes back some 30 us later, at bad moments 300. What spins
//! here is of the idle class: everything else goes before it at once.

use std::process::Child;

use crate::server::{LOAD_CORE, SERVER_CORE, on_core};

/// Ends by itself when this process has ended, however that came.
const SPIN: &str =
    r#"while kill -0 "$PPID"; do i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; done 2>/dev/null"#;

pub(crate) struct Awake(Vec<Child>);

impl Awake {
    pub(crate) fn keep() -> Self {
        let line = ["chrt", "--idle", "0", "sh", "-c", SPIN].map(str::to_owned);
        let spin = |core| on_core(core, &line).spawn().expect("taskset and chrt (util-linux)");
        Self([SERVER_CORE, LOAD_CORE].map(spin).into())
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill(); // it may have ended by itself
            let _ = child.wait();
        }
    }
}
