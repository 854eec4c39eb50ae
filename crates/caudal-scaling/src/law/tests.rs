//! What a user of the law relies on, by example and by property.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use crate::{Decision, History, Load, Observation, Policy, plan};

const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn policy(max: u32, per_replica: u32) -> Policy {
    Policy::new(max, NonZeroU32::new(per_replica).unwrap())
}

fn at(seconds: i64) -> DateTime<Utc> {
    START + TimeDelta::seconds(seconds)
}

/// A thing that obeys every decision, asked once a second.
struct World {
    policy: Policy,
    history: History,
    current: u32,
    second: i64,
}

impl World {
    fn new(policy: Policy, current: u32) -> Self {
        Self { policy, history: History::default(), current, second: 0 }
    }

    fn ask(&mut self, load: Option<Load>) -> Decision {
        let observation = Observation { current: self.current, load };
        let decision = plan(&self.policy, &mut self.history, &observation, at(self.second));
        self.current = decision.replicas;
        self.second += 1;
        decision
    }

    fn ask_for(&mut self, seconds: u32, load: Option<Load>) -> Vec<u32> {
        (0..seconds).map(|_| self.ask(load).replicas).collect()
    }
}

fn backlog(backlog: u64) -> Option<Load> {
    Some(Load { backlog, ..Load::default() })
}

#[test]
fn from_zero_it_goes_straight_to_what_is_needed() {
    assert_eq!(World::new(policy(20, 5), 0).ask(backlog(100)).replicas, 20);
    assert_eq!(World::new(policy(50, 5), 0).ask(backlog(101)).replicas, 21);
    assert_eq!(World::new(policy(50, 5), 0).ask(backlog(1)).replicas, 1);
}

#[test]
fn a_wake_between_two_ticks_is_acted_on_at_once() {
    let mut history = History::default();
    let ask = |history: &mut History, current, load, millis| {
        let now = START + TimeDelta::milliseconds(millis);
        let immediate = Policy { down_window: Duration::ZERO, step_percent: 100, ..policy(20, 5) };
        plan(&immediate, history, &Observation { current, load }, now).replicas
    };
    assert_eq!(ask(&mut history, 0, backlog(0), 0), 0);
    assert_eq!(ask(&mut history, 0, backlog(100), 20), 20);
    assert_eq!(ask(&mut history, 20, backlog(5), 40), 1);
}

#[test]
fn the_reason_is_said_in_words() {
    let decision = World::new(policy(10, 5), 0).ask(backlog(100));
    assert_eq!(decision.to_string(), "a backlog of 100 at 5 per replica needs 20; limited to the maximum of 10");
    let unread = World::new(policy(10, 5), 4).ask(None);
    assert_eq!(unread.to_string(), "the queue cannot be read, so nothing changes");
}

#[test]
fn a_restart_scales_nothing_down_before_a_whole_window_of_samples() {
    let mut world = World::new(policy(20, 5), 20);
    assert_eq!(world.ask_for(60, backlog(0)), vec![20; 60]);
    assert_eq!(world.ask(backlog(0)).replicas, 10);
}

#[test]
fn an_outage_longer_than_a_few_seconds_starts_the_window_anew() {
    let mut world = World::new(policy(20, 5), 20);
    world.ask_for(50, backlog(0));
    world.ask_for(30, None);
    assert_eq!(world.ask_for(60, backlog(0)), vec![20; 60]);
    assert_eq!(world.ask(backlog(0)).replicas, 10);
}

#[test]
fn down_follows_the_most_needed_within_the_window() {
    let mut world = World::new(policy(20, 5), 20);
    world.ask_for(70, backlog(100));
    world.ask(backlog(60));
    let replicas = world.ask_for(58, backlog(10));
    assert!(replicas.iter().all(|&count| count == 20), "still inside the window: {replicas:?}");
    let later = world.ask_for(30, backlog(10));
    assert_eq!(later.last(), Some(&2), "{later:?}");
    assert!(later.windows(2).all(|pair| pair[1] >= pair[0] / 2), "at most half at a time: {later:?}");
}

#[test]
fn steps_down_are_some_seconds_apart() {
    let mut world = World::new(policy(20, 5), 16);
    world.ask_for(60, backlog(0));
    let replicas = world.ask_for(16, backlog(0));
    assert_eq!(replicas[..7], [8, 8, 8, 8, 8, 8, 4][..], "{replicas:?}");
}

#[test]
fn busy_workers_are_kept() {
    let mut world = World::new(policy(20, 5), 20);
    let load = Some(Load { backlog: 14, busy: 14, next_due: None });
    let replicas = world.ask_for(200, load);
    assert_eq!(replicas.last(), Some(&14), "{replicas:?}");
}

#[test]
fn zero_comes_only_after_the_cooldown() {
    let slow = Policy { cooldown: Duration::from_secs(100), down_window: Duration::from_secs(10), ..policy(20, 5) };
    let mut world = World::new(slow, 1);
    world.ask_for(20, backlog(1));
    assert_eq!(world.ask_for(100, backlog(0)), vec![1; 100]);
    assert_eq!(world.ask(backlog(0)).replicas, 0);
}

#[test]
fn an_unreadable_moment_starts_the_cooldown_anew() {
    let quick = Policy { down_window: Duration::ZERO, cooldown: Duration::from_secs(10), ..policy(20, 5) };
    let mut world = World::new(quick, 1);
    world.ask_for(9, backlog(0));
    world.ask(None);
    assert_eq!(world.ask_for(10, backlog(0)), vec![1; 10]);
    assert_eq!(world.ask(backlog(0)).replicas, 0);
}

#[test]
fn a_retry_due_soon_keeps_the_last_worker_and_one_due_later_does_not() {
    let load = |due| Some(Load { next_due: Some(at(due)), ..Load::default() });
    let mut soon = World::new(policy(20, 5), 1);
    assert_eq!(soon.ask_for(120, load(110)), vec![1; 120]);
    let mut late = World::new(policy(20, 5), 1);
    assert_eq!(late.ask_for(120, load(3600)).last(), Some(&0));
    let mut none_yet = World::new(policy(20, 5), 0);
    assert_eq!(none_yet.ask(load(30)).replicas, 0, "not yet due wakes nobody");
}

#[test]
fn a_drain_target_alone_starts_one_while_no_rate_is_known() {
    let drain = Policy { backlog_per_replica: None, drain: Some(Duration::from_secs(10)), ..policy(20, 1) };
    assert_eq!(World::new(drain, 0).ask(backlog(1_000_000)).replicas, 1);
    assert_eq!(World::new(drain, 0).ask(backlog(0)).replicas, 0);
}

#[test]
fn a_scale_up_window_waits_for_a_steady_need() {
    let careful = Policy { up_window: Duration::from_secs(5), ..policy(20, 5) };
    let mut world = World::new(careful, 1);
    world.ask_for(10, backlog(5));
    assert_eq!(world.ask_for(5, backlog(100)), vec![1; 5]);
    assert_eq!(world.ask_for(2, backlog(100)).last(), Some(&20));
}

#[test]
fn new_bounds_hold_at_once() {
    let mut world = World::new(policy(20, 5), 20);
    world.ask_for(3, backlog(100));
    world.policy.max = 4;
    assert_eq!(world.ask(backlog(100)).replicas, 4);
    world.policy.min = 6;
    world.policy.max = 8;
    assert_eq!(world.ask(backlog(0)).replicas, 6);
}

#[test]
fn an_hour_of_samples_takes_little_memory() {
    let wide = Policy { down_window: Duration::from_secs(3600), ..policy(1000, 1) };
    let mut history = History::default();
    for tick in 0..72_000_i64 {
        let load = Some(Load { backlog: u64::try_from(tick % 977).unwrap(), ..Load::default() });
        plan(&wide, &mut history, &Observation { current: 5, load }, START + TimeDelta::milliseconds(tick * 50));
    }
    assert!(format!("{history:?}").matches("Bucket").count() < 100);
}

fn policies() -> impl Strategy<Value = Policy> {
    (0..20_u32, 0..40_u32, 1..30_u32, 0..30_u64, 0..10_u64, 1..=100_u32, 0..30_u64).prop_map(
        |(min, more, per_replica, down, up, step_percent, cooldown)| Policy {
            min,
            up_window: Duration::from_secs(up),
            down_window: Duration::from_secs(down),
            step_percent,
            cooldown: Duration::from_secs(cooldown),
            ..policy(min + more, per_replica)
        },
    )
}

fn loads() -> impl Strategy<Value = Option<Load>> {
    prop::option::weighted(0.9, (0..1000_u64, 0..30_u32, prop::option::of(0..200_i64))).prop_map(|load| {
        load.map(|(backlog, busy, due)| Load {
            backlog,
            busy: if backlog == 0 { 0 } else { busy },
            next_due: due.map(at),
        })
    })
}

proptest! {
    #[test]
    fn known_loads_stay_within_the_bounds_and_unknown_ones_change_nothing(
        policy in policies(), start in 0..60_u32, loads in prop::collection::vec(loads(), 1..80),
    ) {
        let mut world = World::new(policy, start);
        for load in loads {
            let before = world.current;
            let after = world.ask(load).replicas;
            match load {
                None => prop_assert_eq!(after, before),
                Some(load) => {
                    prop_assert!((policy.min..=policy.max).contains(&after));
                    prop_assert!(after >= load.busy.min(before).min(policy.max), "never below the busy");
                    prop_assert!(after > 0 || before == 0 || load.backlog == 0 || policy.max == 0, "never to zero over work");
                    let least = before - (before * policy.step_percent / 100).max(1).min(before);
                    prop_assert!(after >= least.min(policy.max), "at most one step down");
                }
            }
        }
    }

    #[test]
    fn more_backlog_never_means_fewer_replicas(
        policy in policies(), start in 0..60_u32, loads in prop::collection::vec(loads(), 0..60),
        less in 0..500_u64, more in 0..500_u64, busy in 0..30_u32,
    ) {
        let mut world = World::new(policy, start);
        for load in loads {
            world.ask(load);
        }
        let ask = |backlog| {
            let observation = Observation { current: world.current, load: Some(Load { backlog, busy, next_due: None }) };
            plan(&policy, &mut world.history.clone(), &observation, at(world.second)).replicas
        };
        prop_assert!(ask(less) <= ask(less + more));
    }

    #[test]
    fn a_constant_load_does_not_flap(policy in policies(), start in 0..60_u32, amount in 0..1000_u64, busy in any::<bool>()) {
        let mut world = World::new(policy, start);
        let load = Some(Load { backlog: amount, busy: u32::from(busy && amount > 0), next_due: None });
        let replicas = world.ask_for(600, load);
        let turns = replicas.windows(2).filter(|pair| pair[0] != pair[1]).map(|pair| pair[0] < pair[1]);
        let turns: Vec<bool> = turns.collect();
        let start_fixed = replicas[0];
        prop_assert!(turns.windows(2).all(|pair| pair[0] == pair[1]), "one direction only from {start_fixed}: {replicas:?}");
        prop_assert_eq!(replicas[500], replicas[599], "settled");
    }
}
