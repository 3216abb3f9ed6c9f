//! Keeps the cores from going to sleep, so that latencies show the servers and not how soon the machine wakes a core.
//!
//! The host gives away a virtual core that sleeps, and returns it about 30 us late, at bad moments 300. The processes
//! that spin here are in the idle scheduling class, so that everything else preempts them at once.

use std::process::Child;

use crate::server::{LOAD_CORE, SERVER_CORE, on_core};

/// A shell command that spins, and ends by itself once this process has ended for any reason.
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
