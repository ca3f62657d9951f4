//! What was found? Bounds that hold or do not, and figures that depend on the machine and are only told.

use std::io::Write as _;

/// Everything that was found so far.
#[derive(Default)]
pub(super) struct Summary {
    lines: Vec<String>,
    broken: usize,
}

// === impl Summary ===

impl Summary {
    pub(super) fn part(&mut self, name: &str) {
        self.line(format!("\n{name}"));
    }

    /// A bound, with what was seen. One that is broken ends nothing at once, so that all are told.
    pub(super) fn holds(&mut self, bound: &str, held: bool, seen: impl std::fmt::Display) {
        self.broken += usize::from(!held);
        self.line(format!("  {} {bound}: {seen}", if held { "holds " } else { "BROKEN" }));
    }

    /// A figure that nobody demands.
    pub(super) fn told(&mut self, what: &str, figure: impl std::fmt::Display) {
        self.line(format!("         {what}: {figure}"));
    }

    /// Everything once more, and whether all bounds held.
    pub(super) fn end(self) -> bool {
        let broken = if self.broken == 0 {
            "every bound held".into()
        } else {
            format!("{} bounds BROKEN", self.broken)
        };
        print(&format!("\n--- summary, {broken} ---{}", self.lines.join("\n")));
        self.broken == 0
    }

    fn line(&mut self, line: String) {
        print(&line);
        self.lines.push(line);
    }
}

pub(super) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The smallest value that at least this share of all does not exceed; 0 where there are none.
pub(super) fn percentile(sorted: &[u64], share: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The one in the middle; 0 where there are none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
