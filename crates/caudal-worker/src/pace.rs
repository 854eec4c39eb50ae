//! How much to lease at once, how to cut it into sets, and how long to wait after a failure. Pure.

use std::ops::Range;
use std::time::Duration;

/// How many invoices one set holds at most, unless a single chunk holds more.
const SET: usize = 1_000;
const FEWEST_CHUNKS: usize = 4;
const MOST_CHUNKS: usize = 1_000;

/// How many chunks to lease, so that they make about one set: learned from those seen last.
///
/// Grows by doubling, so that large chunks after many small ones bring no flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appetite(usize);

impl Default for Appetite {
    fn default() -> Self {
        Self(FEWEST_CHUNKS)
    }
}

impl Appetite {
    pub(crate) const fn chunks(self) -> usize {
        self.0
    }

    /// The appetite after chunks with these counts came.
    pub(crate) fn after(self, counts: &[u32]) -> Self {
        if counts.is_empty() {
            return self;
        }
        let fitting = SET * counts.len() / total(counts).max(1);
        Self(fitting.min(self.0 * 2).clamp(FEWEST_CHUNKS, MOST_CHUNKS))
    }
}

fn total(counts: &[u32]) -> usize {
    counts.iter().map(|count| *count as usize).sum()
}

/// Cuts chunks with these counts into sets of at most [`SET`] invoices, keeping their order.
pub(crate) fn sets(counts: &[u32]) -> Vec<Range<usize>> {
    let mut sets: Vec<Range<usize>> = Vec::new();
    let mut room = 0;
    for (index, count) in counts.iter().enumerate() {
        match sets.last_mut() {
            Some(set) if room >= *count as usize => set.end = index + 1,
            _ => {
                sets.push(index..index + 1);
                room = SET;
            }
        }
        room = room.saturating_sub(*count as usize);
    }
    sets
}

/// Pauses between tries: 100 ms doubling to 1 s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(100))
    }
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Duration::from_secs(1));
        pause
    }
}

#[cfg(test)]
mod tests;
