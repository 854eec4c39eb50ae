//! What was seen so far: a bounded memory of needs, of idleness and of the last step down.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Samples further apart than this are no uninterrupted series any more.
const LONGEST_GAP: Duration = Duration::from_secs(15);

/// The windows are kept in about this many buckets, however long they are.
const BUCKETS: u32 = 60;

/// What one scaled thing needed lately. Starts empty, and is kept across changes of the policy.
#[derive(Clone, Debug, Default)]
pub struct History {
    buckets: VecDeque<Bucket>,
    series_since: Option<DateTime<Utc>>,
    idle_since: Option<DateTime<Utc>>,
    seen_replicas: Option<u32>,
    stepped_down_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    least: u32,
    most: u32,
}

impl History {
    /// Takes a sample in: what is needed now, and whether there is nothing to do at all. Forgets what is older than `window`.
    pub(crate) fn add(&mut self, needed: u32, idle: bool, window: Duration, now: DateTime<Utc>) {
        if !self.continues(now) {
            self.buckets.clear();
            self.series_since = None;
            self.idle_since = None;
        }
        self.series_since.get_or_insert(now);
        self.idle_since = idle.then(|| self.idle_since.unwrap_or(now));
        while self.buckets.front().is_some_and(|bucket| since(bucket.last, now) > window) {
            self.buckets.pop_front();
        }
        let width = (window / BUCKETS).max(Duration::from_secs(1));
        match self.buckets.back_mut() {
            Some(bucket) if since(bucket.first, now) < width => {
                bucket.last = now;
                bucket.least = bucket.least.min(needed);
                bucket.most = bucket.most.max(needed);
            }
            _ => self.buckets.push_back(Bucket { first: now, last: now, least: needed, most: needed }),
        }
    }

    /// The load could not be read: idleness has to be shown anew, for work may have come and gone meanwhile.
    pub(crate) fn add_unknown(&mut self) {
        self.idle_since = None;
    }

    /// Remembers when the replicas were last seen to become fewer.
    pub(crate) fn see_replicas(&mut self, current: u32, now: DateTime<Utc>) {
        if self.seen_replicas.is_some_and(|seen| current < seen) {
            self.stepped_down_at = Some(now);
        }
        self.seen_replicas = Some(current);
    }

    /// The least needed within `window`.
    pub(crate) fn least(&self, window: Duration, now: DateTime<Utc>) -> Option<u32> {
        self.within(window, now).map(|bucket| bucket.least).min()
    }

    /// The most needed within `window`, once the samples cover it.
    pub(crate) fn most(&self, window: Duration, now: DateTime<Utc>) -> Option<u32> {
        let covered = self.series_since.is_some_and(|first| since(first, now) >= window);
        self.within(window, now).map(|bucket| bucket.most).max().filter(|_| covered)
    }

    /// For how long there has been nothing to do.
    pub(crate) fn idle_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.idle_since.map(|first| since(first, now))
    }

    /// How long ago the last step down was.
    pub(crate) fn since_step_down(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.stepped_down_at.map(|at| since(at, now))
    }

    fn within(&self, window: Duration, now: DateTime<Utc>) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().filter(move |bucket| since(bucket.last, now) <= window)
    }

    fn continues(&self, now: DateTime<Utc>) -> bool {
        self.buckets.back().is_none_or(|bucket| bucket.last <= now && since(bucket.last, now) <= LONGEST_GAP)
    }
}

fn since(then: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    now.signed_duration_since(then).max(TimeDelta::zero()).to_std().unwrap_or_default()
}
