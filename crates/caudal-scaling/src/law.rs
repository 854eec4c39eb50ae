//! The law: from a load to a number of replicas.

mod need;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::decision::{Decision, Drain, Hold};
use crate::history::History;
use crate::policy::Policy;
use need::{Known, Need};

/// Steps down are at least this far apart, so the effect of one is seen before the next.
const STEP_INTERVAL: Duration = Duration::from_secs(5);
/// A need that lasts this long and is `PANIC` times what is ready does not wait for a scale-up window.
const PANIC_WINDOW: Duration = Duration::from_secs(6);
/// The factor of a panic. Source: Knative's autoscaler, whose panic threshold is 200 %.
const PANIC: u32 = 2;
/// Replicas within so many percent of the need are not taken away, so a need that wavers changes nothing.
const TOLERANCE: u64 = 10;

/// What is seen of one scaled thing at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The replicas asked for at present.
    pub current: u32,
    /// Those of them that are ready; none if that cannot be seen.
    pub ready: Option<u32>,
    /// The load, or none if it could not be read.
    pub load: Option<Load>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Waiting, in flight and retries already due, in the source's unit.
    pub backlog: u64,
    /// Workers with something in flight; 0 where the source cannot tell.
    pub busy: u32,
    /// When the earliest retry that is not yet in `backlog` comes due.
    pub next_due: Option<DateTime<Utc>>,
    /// All that ever arrived, in the source's unit; none where it is not counted. May fall where the source lost its data.
    pub arrived: Option<u64>,
    /// All that was ever finished, likewise.
    pub finished: Option<u64>,
}

/// Decides how many replicas there should be `now`, and remembers the observation in `history`.
pub fn plan(policy: &Policy, history: &mut History, observation: &Observation, now: DateTime<Utc>) -> Decision {
    let Observation { current, ready, load } = *observation;
    history.see_replicas(current, ready, now);
    let Some(load) = load else {
        history.add_unknown();
        return Decision::unread(current);
    };
    history.resume(now);
    let (mut slow, mut fast) = Known::of(history, now);
    // What this very look teaches comes too late for its own decision: so more backlog never means fewer replicas.
    history.note_idleness(&load, now);
    history.rates.learn(&load, ready.unwrap_or(current), now);

    slow.pace = history.pace(policy, &load, now);
    fast.pace = slow.pace;
    let wanted = Need::of(policy, &slow, &load, current);
    let urgent = Need::of(policy, &fast, &load, current);
    history.need(wanted.replicas, policy, now);
    let panics = lasting(policy, history, &urgent, now) >= ready.unwrap_or(current).max(1).saturating_mul(PANIC);
    let panics = history.panics(panics, policy.down_window, now);
    let Need { replicas: needed, basis } = if panics && urgent.replicas > wanted.replicas { urgent } else { wanted };

    let (mut replicas, mut hold) = if needed > current {
        up(policy, history, (current, needed), panics, now)
    } else {
        down(policy, history, (current, needed), panics, (&load, now))
    };
    if replicas < policy.min {
        (replicas, hold) = (policy.min, Some(Hold::Minimum(policy.min)));
    }
    if replicas > policy.max {
        (replicas, hold) = (policy.max, Some(Hold::Maximum(policy.max)));
    }
    let drain = Drain::of(&load, ready.unwrap_or(current), slow.arrival, slow.service);
    Decision { replicas, basis, hold, drain, arrival: Some(slow.arrival), service: slow.service }
}

/// So much of the urgent need as is more than a moment's, where a scale-up window asks for steadiness.
fn lasting(policy: &Policy, history: &History, urgent: &Need, now: DateTime<Utc>) -> u32 {
    match policy.up_window.min(PANIC_WINDOW) {
        Duration::ZERO => urgent.replicas,
        window => history.least.over(window, now).map_or(0, |turned| !turned).min(urgent.replicas),
    }
}

fn up(
    policy: &Policy,
    history: &History,
    (current, needed): (u32, u32),
    panics: bool,
    now: DateTime<Utc>,
) -> (u32, Option<Hold>) {
    let window = policy.up_window;
    if window.is_zero() || panics {
        return (needed, None);
    }
    let steady = history.least.over(window, now).map_or(current, |turned| !turned).clamp(current, needed);
    (steady, (steady < needed).then_some(Hold::UpWindow(window)))
}

fn down(
    policy: &Policy,
    history: &History,
    (current, needed): (u32, u32),
    panics: bool,
    (load, now): (&Load, DateTime<Utc>),
) -> (u32, Option<Hold>) {
    let window = policy.down_window;
    let Some(most) = (if window.is_zero() { Some(needed) } else { history.most.over(window, now) }) else {
        return (current, (needed < current).then_some(Hold::Learning(window)));
    };
    let wanted = if most > needed { (most.min(current), Some(Hold::DownWindow(window))) } else { (needed, None) };
    if wanted.0 < current && u64::from(wanted.0) * 100 >= u64::from(current) * (100 - TOLERANCE) {
        return (current, Some(Hold::Tolerance(TOLERANCE)));
    }
    let busy = load.busy.min(current);
    let largest_step = (u64::from(current) * u64::from(policy.step_percent) / 100).max(1);
    let step = current.saturating_sub(u32::try_from(largest_step).unwrap_or(u32::MAX));
    let settling = history.since_step_down(now).is_some_and(|ago| ago < STEP_INTERVAL.min(window));
    let floors = [
        panics.then_some((current, Hold::Panic(window))),
        last_worker(policy, history, load, now).map(|hold| (1, hold)),
        Some((busy, Hold::Busy(busy))),
        Some((step, Hold::Step(policy.step_percent))),
        settling.then_some((current, Hold::Settling)),
    ];
    // None asks for more than there is; the highest counts.
    floors.into_iter().flatten().fold(wanted, |(replicas, held), (floor, hold)| {
        let floor = floor.min(current);
        if floor > replicas { (floor, Some(hold)) } else { (replicas, held) }
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
