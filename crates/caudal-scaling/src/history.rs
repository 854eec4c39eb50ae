//! What was seen so far: a bounded memory of needs, of idleness, of panic and steps down, and of what was learned.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::law::Load;
use crate::peak::Peak;
use crate::policy::Policy;
use crate::promises::Promises;
use crate::rates::Rates;
use crate::starts::Starts;

/// Samples further apart than this are no uninterrupted series any more.
const LONGEST_GAP: Duration = Duration::from_secs(15);

/// What one scaled thing needed lately, and what was learned of it. Starts empty, and is kept across changes of the policy.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(crate) rates: Rates,
    pub(crate) starts: Starts,
    last: Option<DateTime<Utc>>,
    pub(crate) most: Peak,
    /// Turned around, so that the largest is the least.
    pub(crate) least: Peak,
    pub(crate) promises: Promises,
    idle_since: Option<DateTime<Utc>>,
    replicas: Option<u32>,
    stepped_down_at: Option<DateTime<Utc>>,
    panicked_at: Option<DateTime<Utc>>,
}

impl History {
    /// Remembers the replicas: when they were last seen to become fewer, and how long those asked for take to be ready.
    pub(crate) fn see_replicas(&mut self, current: u32, ready: Option<u32>, now: DateTime<Utc>) {
        if self.replicas.replace(current).is_some_and(|before| current < before) {
            self.stepped_down_at = Some(now);
        }
        match ready {
            Some(ready) => self.starts.learn(current, ready, now),
            None => self.starts.interrupt(),
        }
    }

    /// A look at the load follows. Where it does not continue the series, because of a gap or a clock that was put, what was seen
    /// before says nothing of any window; what was learned of the work stays.
    pub(crate) fn resume(&mut self, now: DateTime<Utc>) {
        if self.last.replace(now).is_some_and(|last| last > now || since(last, now) > LONGEST_GAP) {
            let Self { rates, starts, replicas, .. } = std::mem::take(self);
            *self = Self { rates, starts, replicas, last: Some(now), ..Self::default() };
            self.rates.interrupt();
            self.starts.interrupt();
        }
    }

    /// What was seen so far says nothing of any window any more: the replicas were set for another reason. What was learned stays.
    pub fn interrupt(&mut self) {
        self.last = self.last.map(|_| DateTime::UNIX_EPOCH);
    }

    /// Takes in what is needed now.
    pub(crate) fn need(&mut self, needed: u32, policy: &Policy, now: DateTime<Utc>) {
        self.most.add(needed, policy.down_window, now);
        self.least.add(!needed, policy.up_window, now);
    }

    /// Promises that what is there will be done within the drain target, and tells the pace that keeps all promises. After a look was learned.
    pub(crate) fn pace(&mut self, policy: &Policy, load: &Load, now: DateTime<Utc>) -> f64 {
        let (Some(within), Some(arrived)) = (policy.drain, self.rates.arrived()) else {
            self.promises = Promises::default();
            return 0.0;
        };
        self.promises.add(arrived, load.backlog, within, now);
        self.promises.pace((arrived, load.backlog), within, self.starts.usual().unwrap_or_default(), now)
    }

    /// Remembers for how long nothing is there and nothing arrives.
    pub(crate) fn note_idleness(&mut self, load: &Load, now: DateTime<Utc>) {
        let idle = load.backlog == 0 && !self.rates.has_news(load);
        self.idle_since = idle.then(|| self.idle_since.unwrap_or(now));
    }

    /// The load could not be read: idleness has to be shown anew, for work may have come and gone meanwhile.
    pub(crate) fn add_unknown(&mut self) {
        self.idle_since = None;
    }

    /// Remembers a panic, and tells whether there was one within `window`.
    pub(crate) fn panics(&mut self, panics: bool, window: Duration, now: DateTime<Utc>) -> bool {
        if panics {
            self.panicked_at = Some(now);
        }
        self.panicked_at.is_some_and(|at| panics || since(at, now) < window)
    }

    /// For how long there has been nothing to do.
    pub(crate) fn idle_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.idle_since.map(|first| since(first, now))
    }

    /// How long ago the last step down was.
    pub(crate) fn since_step_down(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.stepped_down_at.map(|at| since(at, now))
    }
}

/// How long it is from one moment to another; nothing if that came first.
pub(crate) fn since(then: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    now.signed_duration_since(then).max(TimeDelta::zero()).to_std().unwrap_or_default()
}
