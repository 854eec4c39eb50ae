//! How much to lease at once, how to cut it into sets, and how long to wait after a failure. Pure.

use std::time::Duration;

/// How many invoices one set holds at most, unless a single chunk holds more.
pub(crate) const SET: usize = 1_000;
const FEWEST_CHUNKS: usize = 4;
const MOST_CHUNKS: usize = 1_000;
/// The wait before a failed invoice's second attempt, and the longest before any.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Up to this part of a wait is left out by chance, so that what failed together does not come back together.
const JITTER: f64 = 0.2;

/// How many chunks to lease, so that they make about one set: learned from those seen last.
///
/// Grows step by step, in larger ones where as many came as were asked for, so that a few small chunks are no reason to ask for
/// many. Large ones may come all the same after many small ones: [`keep`] says how many of them to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appetite(usize);

impl Default for Appetite {
    fn default() -> Self {
        Self(FEWEST_CHUNKS)
    }
}

impl Appetite {
    /// How many chunks to lease where `room` invoices are lacking to a set.
    pub(crate) fn chunks(self, room: usize) -> usize {
        (self.0 * room / SET).max(1)
    }

    /// The appetite after chunks with these counts came.
    pub(crate) fn after(self, counts: &[u32]) -> Self {
        if counts.is_empty() {
            return self;
        }
        let invoices: usize = counts.iter().map(|count| *count as usize).sum();
        let fitting = SET * counts.len() / invoices.max(1);
        let step = if counts.len() >= self.0 { 4 } else { 2 };
        Self(fitting.min(self.0 * step).clamp(FEWEST_CHUNKS, MOST_CHUNKS))
    }
}

/// How many of the chunks just leased, with these counts, are kept where `room` invoices are lacking to a set: what makes a set
/// more at most, and one in any case. The others go back, for the chunks were larger than those before them.
pub(crate) fn keep(counts: &[u32], room: usize) -> usize {
    fitting(counts.iter().map(|count| (*count as usize, false)), room + SET)
}

/// How many of the chunks, of which each has a count and may have to be alone, make the first set.
pub(crate) fn first_set(chunks: impl Iterator<Item = (usize, bool)>) -> usize {
    fitting(chunks, SET)
}

/// How many of the chunks have room for their invoices; the first one always.
fn fitting(chunks: impl Iterator<Item = (usize, bool)>, mut room: usize) -> usize {
    let mut length = 0;
    for (count, alone) in chunks {
        if length > 0 && (alone || count > room) {
            break;
        }
        length += 1;
        room = room.saturating_sub(count);
        if alone {
            break;
        }
    }
    length
}

/// How long an invoice waits after its failed attempt of this number, from 1: 1 s doubling to 60 s. `chance` lies between
/// 0 and 1.
pub(crate) fn retry_after(attempt: u32, chance: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
    let full = FIRST_RETRY.saturating_mul(doubled).min(LONGEST_RETRY);
    full.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
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
