//! What a command writes: lines for people, JSON for programs.

use std::fmt::Display;
use std::io::Write;

use indicatif::HumanCount;
use serde::Serialize;

/// Writes a line to standard output. A closed pipe must not stop what runs.
pub(crate) fn say(line: impl Display) {
    let _ = try_say(line);
}

/// Writes a line to standard output, and fails where nobody reads it any more.
pub(crate) fn try_say(line: impl Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// Writes a line to standard error, where it does not mix with results.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a value to standard output as one line of JSON.
pub(crate) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string(value)?);
    Ok(())
}

/// A number with its thousands apart and its noun: `1 invoice`, `1,200 invoices`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", HumanCount(number))
}
