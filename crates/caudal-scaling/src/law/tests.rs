//! What a user of the law relies on, by example; by property in `properties`, as a whole in `traces`.

mod properties;
mod traces;

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

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
        let observation = Observation { current: self.current, ready: None, load };
        let decision = plan(&self.policy, &mut self.history, &observation, at(self.second));
        self.current = decision.replicas;
        self.second += 1;
        decision
    }

    /// As after a start of the controller: nothing is remembered.
    fn restart(&mut self) {
        self.history = History::default();
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
        plan(&immediate, history, &Observation { current, ready: None, load }, now).replicas
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
    let load = Some(Load { backlog: 14, busy: 14, ..Load::default() });
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
    let decision = World::new(drain, 0).ask(backlog(7));
    assert_eq!(
        decision.to_string(),
        "a backlog of 7; how fast one replica works is not known yet, so at least one runs"
    );
    assert_eq!(World::new(drain, 6).ask_for(200, backlog(7)), vec![6; 200], "what is not known lowers nothing");
}

#[test]
fn with_both_targets_the_larger_answer_counts_and_the_backlog_alone_while_no_rate_is_known() {
    let both = Policy { drain: Some(Duration::from_secs(10)), ..policy(100, 50) };
    let mut world = World::new(both, 2);
    let worked_off = |second: u64| {
        Some(Load { finished: Some(second * 4), arrived: Some(1_000), ..backlog(1_000 - second * 4).unwrap() })
    };
    assert_eq!(world.ask(worked_off(0)).to_string(), "a backlog of 1000 at 50 per replica needs 20");
    let decision = (1..9).map(|second| world.ask(worked_off(second))).last().unwrap();
    assert!(decision.replicas > 20, "{decision}");
    assert!(decision.to_string().starts_with("a backlog of 968 with 0 arriving a second needs "), "{decision}");
}

#[test]
fn what_arrives_and_is_done_between_two_looks_is_no_idleness() {
    let quick = Policy { down_window: Duration::ZERO, cooldown: Duration::from_secs(5), ..policy(20, 5) };
    let mut world = World::new(quick, 1);
    let passed = |count| Some(Load { arrived: Some(count), finished: Some(count), ..Load::default() });
    for second in 0..60 {
        assert_eq!(world.ask(passed(second / 3)).replicas, 1);
    }
    assert_eq!(world.ask_for(6, passed(19)).last(), Some(&0));
}

#[test]
fn twice_what_is_ready_passes_over_the_scale_up_window_after_six_seconds_and_keeps_what_runs() {
    let careful = Policy { up_window: Duration::from_secs(60), ..policy(40, 1) };
    let mut world = World::new(careful, 4);
    world.ask_for(70, backlog(4));
    assert_eq!(world.ask_for(3, backlog(40)), vec![4; 3], "a moment is no panic");
    world.ask_for(70, backlog(4));
    assert_eq!(world.ask_for(60, backlog(7)), vec![4; 60], "less than twice waits for the window");
    world.ask_for(70, backlog(4));
    let replicas = world.ask_for(8, backlog(40));
    assert_eq!((replicas[5], replicas[7]), (4, 40), "{replicas:?}");
}

#[test]
fn a_difference_of_a_tenth_changes_nothing_on_the_way_down() {
    let mut world = World::new(policy(200, 1), 100);
    assert_eq!(world.ask_for(200, backlog(90)).last(), Some(&100));
    assert!(world.ask(backlog(90)).to_string().ends_with("a difference of up to 10 % changes nothing"));
    assert_eq!(world.ask_for(200, backlog(89)).last(), Some(&89));
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
        plan(
            &wide,
            &mut history,
            &Observation { current: 5, ready: None, load },
            START + TimeDelta::milliseconds(tick * 50),
        );
    }
    assert!(format!("{history:?}").len() < 8_000, "{history:?}");
}
