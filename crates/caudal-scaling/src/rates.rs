//! How fast work comes and how fast one replica does it: learned from the source's counters, or from the backlog's own ups and downs.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::history::since;
use crate::law::Load;

/// How far back arrivals are kept, and how far apart.
const KEPT: Duration = Duration::from_secs(32);
const SPACING: Duration = Duration::from_millis(950);
/// While some replicas are idle, what is seen of the service weighs less: who is busy is only seen now and then.
const PARTLY: f64 = 0.1;
/// What was learned of the service fades over so many seconds of work..
const FADES: f64 = 60.0;
/// .. but so many finished units are always remembered, so slow work is learned too.
const REMEMBERED: f64 = 16.0;
/// From so many finished units and so many seconds of one replica's work on the rate counts as known.
const ENOUGH: f64 = 3.0;
/// Where nothing is counted, the fastest service seen is believed for about so many seconds.
const BELIEVED: f64 = 600.0;

/// What has been learned of one queue. In the source's unit, a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    last: Option<Look>,
    /// Moments, and all that had arrived by then.
    arrivals: VecDeque<(DateTime<Utc>, u64)>,
    service: Service,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: DateTime<Utc>,
    backlog: u64,
    arrived: u64,
    finished: u64,
    /// Whether the source counts, or the two above are made up from the backlog: then they are lower bounds.
    counted: bool,
    /// At work, and whether that is all that can.
    workers: f64,
    full: bool,
}

impl Rates {
    /// Takes a look in. `replicas` can work at present.
    pub(crate) fn learn(&mut self, load: &Load, replicas: u32, now: DateTime<Utc>) {
        let look = Look::of(load, replicas, self.last.as_ref(), now);
        if self.last.is_some_and(|last| look.begins_anew(&last)) {
            *self = Self::default();
        }
        if let Some(last) = self.last.replace(look) {
            self.service.learn(&last, &look);
        }
        if self.arrivals.back().is_none_or(|(at, _)| since(*at, now) >= SPACING) {
            self.arrivals.push_back((now, look.arrived));
        }
        while self.arrivals.front().is_some_and(|(at, _)| since(*at, now) > KEPT) {
            self.arrivals.pop_front();
        }
    }

    /// After a gap, or when the clock was put: moments before it tell no rate with those after it. How fast the work is stays known.
    pub(crate) fn interrupt(&mut self) {
        self.last = None;
        self.arrivals.clear();
    }

    /// Whether something has arrived since the last look, as far as the source counts.
    pub(crate) fn has_news(&self, load: &Load) -> bool {
        load.arrived.is_some_and(|arrived| self.last.is_some_and(|last| last.counted && last.arrived != arrived))
    }

    /// How much keeps arriving: the median of three spans in a row, so that a single burst, which is in the backlog already, is none.
    pub(crate) fn arrival(&self, span: Duration, now: DateTime<Utc>) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let mut rates = [0.0; 3];
        let mut later = (last.at, last.arrived);
        for (rate, back) in rates.iter_mut().zip(1..) {
            let earlier = self.arrivals.iter().rev().find(|(at, _)| since(*at, now) >= span * back);
            let Some(&earlier) = earlier else { break };
            *rate = later.1.saturating_sub(earlier.1) as f64 / since(earlier.0, later.0).as_secs_f64().max(0.5);
            later = earlier;
        }
        rates.sort_by(f64::total_cmp);
        rates[1]
    }

    /// All that has ever arrived.
    pub(crate) fn arrived(&self) -> Option<u64> {
        self.last.map(|last| last.arrived)
    }

    /// How much one busy replica finishes.
    pub(crate) fn service(&self) -> Option<f64> {
        self.service.rate()
    }
}

impl Look {
    fn of(load: &Load, replicas: u32, last: Option<&Self>, at: DateTime<Utc>) -> Self {
        let backlog = load.backlog;
        let workers = if load.busy > 0 { u64::from(load.busy) } else { u64::from(replicas).min(backlog) } as f64;
        let (arrived, finished, counted) = match (load.arrived, load.finished) {
            (Some(arrived), Some(finished)) => (arrived, finished, true),
            (Some(arrived), None) => (arrived, arrived.saturating_sub(backlog), true),
            (None, Some(finished)) => (finished.saturating_add(backlog), finished, true),
            (None, None) => {
                let (arrived, finished, before) = last
                    .filter(|last| !last.counted)
                    .map_or((0, 0, backlog), |last| (last.arrived, last.finished, last.backlog));
                (arrived + backlog.saturating_sub(before), finished + before.saturating_sub(backlog), false)
            }
        };
        Self { at, backlog, arrived, finished, counted, workers, full: workers >= f64::from(replicas) }
    }

    /// Whether the counters are not those of the last look any more: Redis lost its data, or another way of counting began.
    fn begins_anew(&self, last: &Self) -> bool {
        self.counted != last.counted || self.arrived < last.arrived || self.finished < last.finished
    }
}

/// Work done over the working time it took, both fading (an exponentially weighted average), while there was something to do.
#[derive(Clone, Debug, Default)]
struct Service {
    /// Whether something has been seen to finish: before it, replicas may not even have started.
    begun: bool,
    done: f64,
    finished: f64,
    seconds: f64,
    /// Where nothing is counted: the fastest of late, for the backlog shows only what service has over arrivals.
    best: Option<f64>,
}

impl Service {
    fn learn(&mut self, last: &Look, look: &Look) {
        let step = since(last.at, look.at).as_secs_f64();
        let worked = step * f64::midpoint(last.workers, look.workers);
        let finished = (look.finished - last.finished) as f64;
        if last.backlog == 0 || look.backlog == 0 || worked <= 0.0 {
            return;
        }
        if !self.begun {
            self.begun = finished > 0.0;
            return;
        }
        let weight = if last.full && look.full { 1.0 } else { PARTLY };
        let fade = if self.finished > REMEMBERED { (-weight * step / FADES).exp() } else { 1.0 };
        let done = if look.counted { finished } else { last.backlog as f64 - look.backlog as f64 };
        // Counters that come back after a loss leap; no replica is suddenly ten times as fast.
        let done = self.average().map_or(done, |rate| done.min(10.0 * rate * worked + REMEMBERED));
        self.done = self.done * fade + done * weight;
        self.finished = self.finished * fade + finished * weight;
        self.seconds = self.seconds * fade + worked * weight;
        self.best = self.best.map(|best| best * (-step / BELIEVED).exp());
        if !look.counted && self.finished >= REMEMBERED {
            self.best = [self.best, self.average()].into_iter().flatten().reduce(f64::max);
        }
    }

    fn rate(&self) -> Option<f64> {
        self.best.or_else(|| self.average())
    }

    fn average(&self) -> Option<f64> {
        let known = self.finished >= ENOUGH && self.seconds >= ENOUGH && self.done > 0.0;
        known.then(|| self.done / self.seconds)
    }
}
