//! What became of each part, and how long it took.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It was left out, for this reason.
    Skipped(&'static str),
    /// It was left out, for this reason, where nothing may be.
    Missing(&'static str),
}

/// The parts so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    parts: Vec<(&'static str, Duration, Outcome)>,
}

impl Report {
    /// Adds a part that `begun` then and has ended now.
    pub(crate) fn add(&mut self, name: &'static str, begun: Instant, outcome: Outcome) {
        self.parts.push((name, begun.elapsed(), outcome));
    }

    /// Adds a part that this machine cannot run; it fails where nothing may be left out.
    pub(crate) fn skip(&mut self, name: &'static str, why: &'static str, nothing_left_out: bool) {
        let outcome = if nothing_left_out { Outcome::Missing(why) } else { Outcome::Skipped(why) };
        self.parts.push((name, Duration::ZERO, outcome));
    }

    /// Whether no part failed.
    pub(crate) fn passed(&self) -> bool {
        self.failed().is_empty()
    }

    fn failed(&self) -> Vec<&'static str> {
        let bad = |outcome| matches!(outcome, Outcome::Failed | Outcome::Missing(_));
        self.parts.iter().filter(|part| bad(part.2)).map(|part| part.0).collect()
    }

    fn skipped(&self) -> Vec<&'static str> {
        self.parts.iter().filter(|part| matches!(part.2, Outcome::Skipped(_))).map(|part| part.0).collect()
    }
}

impl fmt::Display for Report {
    /// A table with a line a part, and a last line that says it all.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:<16}{:>8}  result", "part", "minutes")?;
        for (name, took, outcome) in &self.parts {
            writeln!(formatter, "{name:<16}{:>8.1}  {outcome}", minutes(*took))?;
        }
        let all = minutes(self.parts.iter().map(|part| part.1).sum());
        let (failed, skipped) = (self.failed().join(", "), self.skipped().join(", "));
        match (failed.is_empty(), skipped.is_empty()) {
            (false, _) => write!(formatter, "FAILED after {all:.1} minutes: {failed}"),
            (true, false) => write!(formatter, "Passed in {all:.1} minutes, without: {skipped}"),
            (true, true) => write!(formatter, "All passed in {all:.1} minutes"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(formatter, "passed"),
            Self::Failed => write!(formatter, "FAILED"),
            Self::Skipped(why) => write!(formatter, "skipped: {why}"),
            Self::Missing(why) => write!(formatter, "FAILED: {why}"),
        }
    }
}

fn minutes(took: Duration) -> f64 {
    took.as_secs_f64() / 60.0
}
