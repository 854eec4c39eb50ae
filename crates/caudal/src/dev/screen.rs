//! What `caudal dev` writes: lines for people, with the progress bar kept below them.

use std::io::Write;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The terminal, shared by everything that writes to it; clones are the same terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Screen {
    bars: MultiProgress,
}

impl Screen {
    /// Writes a line of the session itself.
    pub(super) fn say(&self, line: impl AsRef<str>) {
        self.bars.suspend(|| {
            // A closed pipe must not stop what runs.
            let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
        });
    }

    /// Passes on a line of one of the processes.
    pub(super) fn log(&self, process: &str, line: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{process:>10} | {line}");
        });
    }

    /// Shows a bar of this many steps.
    pub(super) fn bar(&self, length: u64) -> anyhow::Result<ProgressBar> {
        let style = ProgressStyle::with_template("{msg:>10} [{bar:40}] {pos}/{len} invoices, {elapsed}")?;
        Ok(self.bars.add(ProgressBar::new(length)).with_style(style).with_message("recorded"))
    }
}
