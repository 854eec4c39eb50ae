//! What the load alone asks for, by each of the targets; the larger answer counts.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::decision::Basis;
use crate::history::History;
use crate::law::Load;
use crate::policy::Policy;

/// How much of a replica's speed arrivals may take up; the rest is for what waits and for chance.
const UTILISATION: f64 = 0.7;
/// The spans whose median tells the arrivals: of the steady need, and of the urgent one.
const STEADY_SPAN: Duration = Duration::from_secs(10);
const URGENT_SPAN: Duration = Duration::from_secs(2);
/// Less than this of a replica is a rounding error.
const ROUNDING: f64 = 1e-6;

/// What is known of the work. Rates in the source's unit, a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) arrival: f64,
    pub(super) service: Option<f64>,
    start: Duration,
    /// What keeps the promises made so far, a second.
    pub(super) pace: f64,
}

impl Known {
    /// Of the steady arrivals, and of those of the last seconds.
    pub(super) fn of(history: &History, now: DateTime<Utc>) -> (Self, Self) {
        let [steady, urgent] = [STEADY_SPAN, URGENT_SPAN].map(|span| history.rates.arrival(span, now));
        let start = history.starts.usual().unwrap_or_default();
        let known = Self { arrival: steady, service: history.rates.service(), start, pace: 0.0 };
        (known, Self { arrival: urgent, ..known })
    }
}

/// So many replicas, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) replicas: u32,
    pub(super) basis: Basis,
}

impl Need {
    pub(super) fn of(policy: &Policy, known: &Known, load: &Load, current: u32) -> Self {
        let by_backlog =
            policy.backlog_per_replica.map(|per_replica| Self::by_backlog(load.backlog, per_replica.get()));
        let by_time = policy.drain.and_then(|within| Self::by_time(within, known, load.backlog));
        let needs = [by_backlog, by_time];
        let larger = needs.into_iter().flatten().max_by_key(|need| need.replicas);
        match larger {
            Some(need) if load.backlog > 0 || need.replicas > 0 => need,
            None if load.backlog > 0 => Self::while_learning(load.backlog, current),
            _ => Self { replicas: 0, basis: Basis::Idle },
        }
    }

    fn by_backlog(backlog: u64, per_replica: u32) -> Self {
        let needed = u32::try_from(backlog.div_ceil(u64::from(per_replica))).unwrap_or(u32::MAX);
        Self { replicas: needed, basis: Basis::Backlog { backlog, per_replica, needed } }
    }

    /// With Q waiting or in flight, arrivals λ, service μ of one replica, start time S, utilisation u, and T what a start leaves of
    /// the target: ceil((Q/T + λS/T + λ/u) / μ), but no more replicas for what waits than there are units of it; and for Q/T the
    /// pace that finishes in time what came earlier, if that is more.
    /// Source: Kalavri et al., "Three steps is all you need" (OSDI 2018), and the autoscaler of Flink.
    fn by_time(within: Duration, known: &Known, backlog: u64) -> Option<Self> {
        let service = known.service?;
        let Known { arrival, start, pace, .. } = *known;
        let left = (within - start.min(within / 2)).as_secs_f64();
        let (waiting, meanwhile) = (backlog as f64, arrival * start.as_secs_f64());
        let pace = pace.max(waiting / left) + meanwhile / left;
        let replicas = (pace / service).min(waiting + meanwhile) + arrival / (UTILISATION * service);
        let replicas = (replicas - ROUNDING).ceil();
        // A float outside of the range becomes its nearest end.
        let needed = (replicas as u32).max(u32::from(backlog > 0));
        Some(Self { replicas: needed, basis: Basis::Rate { backlog, arrival, service, within, needed } })
    }

    /// Nobody knows yet how fast one replica is: one finds out, and those that are there go on.
    fn while_learning(backlog: u64, current: u32) -> Self {
        Self { replicas: current.max(1), basis: Basis::NoRateYet { backlog } }
    }
}
