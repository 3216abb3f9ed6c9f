//! What a process uses, read from /proc.

use std::fs;

/// Time on a CPU, user and system, all threads, in nanoseconds.
pub(crate) fn cpu_ns(pid: u32) -> u64 {
    schedstat(pid, 0)
}

/// Time that it waited for a CPU, all threads, in nanoseconds.
pub(crate) fn waited_ns(pid: u32) -> u64 {
    schedstat(pid, 1)
}

fn schedstat(pid: u32, field: usize) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process");
    let of_task = |task: fs::DirEntry| {
        // A thread may end meanwhile.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').nth(field).and_then(|ns| ns.parse().ok()).unwrap_or(0)
    };
    tasks.flatten().map(of_task).sum::<u64>()
}

/// Resident memory in bytes, counted page by page.
pub(crate) fn rss_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process");
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("its Rss") * 1024
}

/// The most resident memory so far, in bytes.
pub(crate) fn rss_peak_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("its VmHWM") * 1024
}

/// The number of open descriptors.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process").count()
}

/// How many processes ran or waited for a core in the last minute, on average.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// A description of the machine, as one line.
pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpus.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map_or("?", |(_, value)| value).to_owned()
    };
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {count} cores, Linux {}", field("model name"), kernel.trim())
}
