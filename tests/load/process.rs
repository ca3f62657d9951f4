//! What does the system say about a process (Linux)?

use std::fs;

/// Linux tells CPU time in this unit, whatever the kernel's own clock is (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: u64 = 100;

/// What it has in memory, bytes: all of it, and what is no file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) anonymous: u64,
}

// === impl Memory ===

impl Memory {
    pub(super) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<u64>().unwrap_or_default() << 10
        };
        Self { resident: field("VmRSS"), anonymous: field("RssAnon") }
    }

    /// How much more is resident than `before`.
    pub(super) fn grown(self, before: Self) -> u64 {
        self.resident.saturating_sub(before.resident)
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} resident, {} of it anonymous", mib(self.resident), mib(self.anonymous))
    }
}

pub(super) fn mib(bytes: u64) -> String {
    format!("{} MiB", (bytes + (1 << 19)) >> 20)
}

/// User and system time that it has used, microseconds.
pub(super) fn cpu_micros(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the name, in brackets, and may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) * (1_000_000 / TICKS_PER_SECOND)
}

/// How busy the machine is, as `uptime` says it.
pub(super) fn machine_load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
