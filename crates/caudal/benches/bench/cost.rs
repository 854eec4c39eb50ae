//! Processor time of each process: unlike a rate it hardly depends on who else uses the machine.

use std::fs;

use anyhow::{Context as _, Result};

/// How often a second Linux counts a process' time.
const TICKS: f64 = 100.0;
/// The fields of `/proc/PID/stat` behind the program's name: the parent, and the process' own time, in user mode and in the
/// kernel, before that of its children that have ended.
const PARENT: usize = 1;
const OWN: std::ops::Range<usize> = 11..13;
const WITH_ENDED_CHILDREN: std::ops::Range<usize> = 11..15;

/// A process by the name a reader knows it by, and its number.
pub(crate) type Named = (&'static str, i32);

/// The number of this process.
pub(crate) fn own() -> i32 {
    std::process::id().cast_signed()
}

/// What processes have used when a measurement began.
pub(crate) struct Meter(Vec<(Named, f64)>);

impl Meter {
    pub(crate) fn start(processes: &[Named]) -> Result<Self> {
        let read = |named: &Named| Ok((*named, with_children(named.1)?));
        Ok(Self(processes.iter().map(read).collect::<Result<_>>()?))
    }
}

/// What processes cost for each of the invoices they dealt with, over all rounds of a measurement.
#[derive(Default)]
pub(crate) struct Costs {
    seconds: Vec<(&'static str, f64)>,
    invoices: f64,
}

impl Costs {
    /// Adds a round that ends now, with so many invoices.
    pub(crate) fn add(&mut self, round: Meter, invoices: f64) -> Result<()> {
        for ((name, process), before) in round.0 {
            let used = with_children(process)? - before;
            match self.seconds.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += used,
                None => self.seconds.push((name, used)),
            }
        }
        self.invoices += invoices;
        Ok(())
    }

    /// Microseconds for one invoice.
    pub(crate) fn each(&self) -> Vec<(&'static str, f64)> {
        self.seconds.iter().map(|(name, seconds)| (*name, seconds / self.invoices * 1e6)).collect()
    }
}

/// The seconds of processor time that a process has used.
pub(crate) fn processor_seconds(process: i32) -> Result<f64> {
    Ok(sum(&fields(process)?[OWN]))
}

/// The same with its children, those that run and those that have ended; of this process itself they are counted apart.
fn with_children(process: i32) -> Result<f64> {
    if process == own() {
        return processor_seconds(process);
    }
    let mut seconds = sum(&fields(process)?[WITH_ENDED_CHILDREN]);
    for entry in fs::read_dir("/proc")? {
        // One that ends meanwhile is counted with its parent.
        let other = entry?.file_name().to_str().and_then(|name| name.parse().ok()).and_then(|other| fields(other).ok());
        if let Some(child) = other.filter(|child| child[PARENT] == process.to_string()) {
            seconds += sum(&child[OWN]);
        }
    }
    Ok(seconds)
}

fn fields(process: i32) -> Result<Vec<String>> {
    let state = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let behind_name = state.rsplit_once(')').context("/proc/PID/stat")?.1;
    Ok(behind_name.split_whitespace().map(str::to_owned).collect())
}

fn sum(ticks: &[String]) -> f64 {
    ticks.iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}
