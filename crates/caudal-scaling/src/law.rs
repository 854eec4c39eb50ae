//! The law: from a load to a number of replicas.

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::decision::{Basis, Decision, Hold};
use crate::history::History;
use crate::policy::Policy;

/// Steps down are at least this far apart, so the effect of one is seen before the next.
const STEP_INTERVAL: Duration = Duration::from_secs(5);

/// What is seen of one scaled thing at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The replicas asked for at present.
    pub current: u32,
    /// The load, or none if it could not be read.
    pub load: Option<Load>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Waiting, in flight and retries already due, in the source's unit.
    pub backlog: u64,
    /// Workers with something in flight.
    pub busy: u32,
    /// When the earliest retry that is not yet in `backlog` comes due.
    pub next_due: Option<DateTime<Utc>>,
}

/// Decides how many replicas there should be `now`, and remembers the observation in `history`.
pub fn plan(policy: &Policy, history: &mut History, observation: &Observation, now: DateTime<Utc>) -> Decision {
    let current = observation.current;
    history.see_replicas(current, now);
    let Some(load) = observation.load else {
        history.add_unknown();
        return Decision { replicas: current, basis: Basis::Unknown, hold: None };
    };
    let (needed, basis) = need(policy, &load);
    history.add(needed, load.backlog == 0, policy.up_window.max(policy.down_window), now);

    let (mut replicas, mut hold) = if needed > current {
        up(policy, history, (current, needed), now)
    } else {
        down(policy, history, (current, needed), &load, now)
    };
    if replicas < policy.min {
        (replicas, hold) = (policy.min, Some(Hold::Minimum(policy.min)));
    }
    if replicas > policy.max {
        (replicas, hold) = (policy.max, Some(Hold::Maximum(policy.max)));
    }
    Decision { replicas, basis, hold }
}

fn need(policy: &Policy, load: &Load) -> (u32, Basis) {
    let backlog = load.backlog;
    if backlog == 0 {
        return (0, Basis::Idle);
    }
    match policy.backlog_per_replica {
        Some(per_replica) => {
            let needed = u32::try_from(backlog.div_ceil(u64::from(per_replica.get()))).unwrap_or(u32::MAX);
            (needed, Basis::Backlog { backlog, per_replica: per_replica.get(), needed })
        }
        None => (1, Basis::NoRateYet { backlog }),
    }
}

fn up(policy: &Policy, history: &History, (current, needed): (u32, u32), now: DateTime<Utc>) -> (u32, Option<Hold>) {
    let window = policy.up_window;
    let least = if window.is_zero() { None } else { history.least(window, now) };
    let steady = least.unwrap_or(needed).max(current);
    if steady < needed { (steady, Some(Hold::UpWindow(window))) } else { (needed, None) }
}

fn down(
    policy: &Policy,
    history: &History,
    (current, needed): (u32, u32),
    load: &Load,
    now: DateTime<Utc>,
) -> (u32, Option<Hold>) {
    let window = policy.down_window;
    let most = if window.is_zero() { Some(needed) } else { history.most(window, now) };
    let Some(most) = most else {
        let hold = (needed < current).then_some(Hold::Learning(window));
        return (current, hold);
    };
    let busy = load.busy.min(current);
    let largest_step = (u64::from(current) * u64::from(policy.step_percent) / 100).max(1);
    let step = current.saturating_sub(u32::try_from(largest_step).unwrap_or(u32::MAX));
    let settling = history.since_step_down(now).is_some_and(|ago| ago < STEP_INTERVAL.min(window));
    let floors = [
        Some((most, Hold::DownWindow(window))),
        last_worker(policy, history, load, now).map(|hold| (1, hold)),
        Some((busy, Hold::Busy(busy))),
        Some((step, Hold::Step(policy.step_percent))),
        settling.then_some((current, Hold::Settling)),
    ];
    floors.into_iter().flatten().fold((needed, None), |answer, (floor, hold)| {
        let floor = floor.min(current);
        if floor > answer.0 { (floor, Some(hold)) } else { answer }
    })
}

/// Why the last worker has to stay, if it has to.
fn last_worker(policy: &Policy, history: &History, load: &Load, now: DateTime<Utc>) -> Option<Hold> {
    let cooldown = policy.cooldown;
    if history.idle_for(now).is_none_or(|idle| idle < cooldown) {
        return Some(Hold::Cooldown(cooldown));
    }
    let due_in = load.next_due.map(|due| due.signed_duration_since(now).max(TimeDelta::zero()));
    let soon = due_in.and_then(|wait| wait.to_std().ok()).is_some_and(|wait| wait <= cooldown);
    soon.then_some(Hold::RetryDue)
}
