//! The measured time of a workload: what the processors did in it, and how long things took.

use hdrhistogram::Histogram;

use crate::crowd::{Crowd, Nanos, SECOND};
use crate::server::Server;
use crate::usage;

/// Times from 100 ns to 100 s, with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, 100 * SECOND, 3).expect("a histogram")
}

/// The readings at one end of the measured time, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    server_cpu: u64,
    load_cpu: u64,
    pub(crate) at: Nanos,
}

impl Reading {
    pub(crate) fn now(server: &Server, crowd: &Crowd) -> Self {
        let load_cpu = usage::cpu_ns(std::process::id());
        Self { server_cpu: server.cpu_ns(), load_cpu, at: crowd.now() }
    }

    /// Returns the figures from `self` to `end`, in which something was done `count` times: the server's time for one, how
    /// many there were a second, the percentiles of these latencies, and how busy server and load generator were. `names`
    /// are those of the first two.
    pub(crate) fn figures(
        &self,
        end: &Self,
        names: [&'static str; 2],
        count: u64,
        latencies: impl IntoIterator<Item = (&'static str, f64)>,
    ) -> Vec<(&'static str, f64)> {
        let wall = (end.at - self.at) as f64;
        let cpu = (end.server_cpu - self.server_cpu) as f64;
        let mut figures =
            vec![(names[0], cpu / 1e3 / count.max(1) as f64), (names[1], count as f64 * 1e9 / wall)];
        figures.extend(latencies);
        figures.push(("server CPU %", cpu / wall * 100.0));
        figures.push(("load CPU %", (end.load_cpu - self.load_cpu) as f64 / wall * 100.0));
        figures
    }
}

/// Returns percentiles in microseconds, under these names.
pub(crate) fn percentiles(latencies: &Histogram<u64>, names: [&'static str; 3]) -> [(&'static str, f64); 3] {
    let quantile = |q| latencies.value_at_quantile(q) as f64 / 1e3;
    let [median, p99, p999] = names;
    [(median, quantile(0.5)), (p99, quantile(0.99)), (p999, quantile(0.999))]
}
