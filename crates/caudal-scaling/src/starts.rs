//! How long a replica takes from being asked for to being ready, as observed.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::history::since;

/// So many last starts are remembered, and so many requests waited for.
const REMEMBERED: usize = 20;
/// What takes longer than this was no start.
const LONGEST: Duration = Duration::from_secs(600);

/// The starts of one workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    last: Option<(u32, u32, DateTime<Utc>)>,
    /// When replicas were asked for, and how many of them are not ready yet.
    asked: VecDeque<(DateTime<Utc>, u32)>,
    took: VecDeque<Duration>,
}

impl Starts {
    /// Takes a look in: the replicas asked for, and those that are ready.
    pub(crate) fn learn(&mut self, current: u32, ready: u32, now: DateTime<Utc>) {
        let (before, ready_before, at) = self.last.replace((current, ready, now)).unwrap_or((current, ready, now));
        if current > before {
            // They were asked for right after the last look.
            self.asked.push_back((at, current - before));
        }
        self.take_back(before.saturating_sub(current));
        self.count(ready.saturating_sub(ready_before), now);
        self.asked.drain(..self.asked.len().saturating_sub(REMEMBERED));
        self.took.drain(..self.took.len().saturating_sub(REMEMBERED));
    }

    /// After a gap, or when the clock was put: nothing that is under way can be measured.
    pub(crate) fn interrupt(&mut self) {
        self.last = None;
        self.asked.clear();
    }

    /// Nine of ten were ready within this time.
    pub(crate) fn usual(&self) -> Option<Duration> {
        let mut took: Vec<Duration> = self.took.iter().copied().collect();
        took.sort_unstable();
        took.get((took.len() * 9).div_ceil(10).saturating_sub(1)).copied()
    }

    fn take_back(&mut self, mut fewer: u32) {
        while fewer > 0
            && let Some((_, count)) = self.asked.back_mut()
        {
            let gone = fewer.min(*count);
            (*count, fewer) = (*count - gone, fewer - gone);
            if *count == 0 {
                self.asked.pop_back();
            }
        }
    }

    fn count(&mut self, mut started: u32, now: DateTime<Utc>) {
        while started > 0
            && let Some((at, count)) = self.asked.front_mut()
        {
            let (now_ready, took) = (started.min(*count), since(*at, now));
            (*count, started) = (*count - now_ready, started - now_ready);
            if *count == 0 {
                self.asked.pop_front();
            }
            if took <= LONGEST {
                self.took.extend((0..now_ready).take(REMEMBERED).map(|_| took));
            }
        }
    }
}
