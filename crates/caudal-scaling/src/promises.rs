//! By when what waits is to be done: what has arrived by a moment, within the drain target after it.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::history::since;

/// A drain target is cut into so many parts; what arrives within one has one deadline.
const PARTS: u32 = 60;
/// What is late, or nearly so, is hurried as if this part of the target were left, or what a replica takes to start.
const HURRY: u32 = 20;

/// Deadlines that have not passed, the nearest first, each with all that had ever arrived by the moment it was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises(VecDeque<(DateTime<Utc>, u64)>);

impl Promises {
    /// Sets a deadline for what has arrived by now, and forgets those that have passed or are kept.
    pub(crate) fn add(&mut self, arrived: u64, backlog: u64, within: Duration, now: DateTime<Utc>) {
        let deadline = now + within;
        let finished = arrived.saturating_sub(backlog);
        self.0.retain(|(at, by_then)| *at > now && *by_then > finished && *by_then <= arrived);
        let new = self.0.back().is_none_or(|(at, by_then)| {
            *by_then < arrived && since(*at, deadline) >= (within / PARTS).max(Duration::from_secs(1))
        });
        if new && backlog > 0 {
            self.0.push_back((deadline, arrived));
        }
    }

    /// How much a second keeps all of them.
    pub(crate) fn pace(
        &self,
        (arrived, backlog): (u64, u64),
        within: Duration,
        start: Duration,
        now: DateTime<Utc>,
    ) -> f64 {
        let least = (within / HURRY).max(start);
        let paces = self.0.iter().map(|(at, by_then)| {
            let left = backlog.saturating_sub(arrived.saturating_sub(*by_then));
            left as f64 / since(now, *at).max(least).as_secs_f64()
        });
        paces.fold(0.0, f64::max)
    }
}
