//! The largest of the values within a window that moves, in little memory however long the window.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// A window is cut into so many parts, at least a second each; within a part only the largest value is kept.
const PARTS: u32 = 60;

/// Values as they came, but for those that a later one, as large or larger, has made irrelevant. Times in ms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peak {
    points: VecDeque<(i64, u32)>,
    /// From when on every value is known.
    since: Option<i64>,
    window: i64,
}

impl Peak {
    /// Takes a value in, and forgets those older than `window`.
    pub(crate) fn add(&mut self, value: u32, window: Duration, now: DateTime<Utc>) {
        let now = now.timestamp_millis();
        let part = millis((window / PARTS).max(Duration::from_secs(1)));
        let window = millis(window);
        // What a shorter window has forgotten is not known of the longer one.
        let known = self.since.unwrap_or(now);
        self.since = Some(if window > self.window { known.max(now.saturating_sub(self.window)) } else { known });
        self.window = window;
        let end = now.saturating_add(part - 1).div_euclid(part).saturating_mul(part);
        while self.points.front().is_some_and(|(at, _)| now.saturating_sub(*at) > window) {
            self.points.pop_front();
        }
        while self.points.back().is_some_and(|(_, known)| *known <= value) {
            self.points.pop_back();
        }
        if self.points.back().is_none_or(|(at, _)| *at < end) {
            self.points.push_back((end, value));
        }
    }

    /// The largest within `window`, once the values cover it.
    pub(crate) fn over(&self, window: Duration, now: DateTime<Utc>) -> Option<u32> {
        let (now, window) = (now.timestamp_millis(), millis(window));
        let covered = self.since.is_some_and(|since| now.saturating_sub(since) >= window);
        let found = self.points.iter().find(|(at, _)| now.saturating_sub(*at) <= window);
        found.map(|(_, value)| *value).filter(|_| covered)
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}
