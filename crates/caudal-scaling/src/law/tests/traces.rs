//! The law at work on a simulated queue with workers that start, work and stop.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;

use super::{START, policy};
use crate::{Decision, Drain, History, Load, Observation, Policy, plan};

const TICK: i64 = 10;

/// A queue of jobs that all take as long, and the workers of it. Times in ms.
struct Plant {
    policy: Policy,
    history: History,
    service: i64,
    start: i64,
    /// Whether the source tells what arrived, what is done and who is busy.
    counts: bool,
    now: i64,
    waiting: u64,
    arrived: u64,
    finished: u64,
    workers: Vec<Worker>,
    last: Option<Decision>,
}

struct Worker {
    ready_at: i64,
    /// When the job is done that it has.
    done_at: Option<i64>,
}

impl Plant {
    fn new(policy: Policy, service: i64, start: i64) -> Self {
        Self {
            policy,
            history: History::default(),
            service,
            start,
            counts: true,
            now: 0,
            waiting: 0,
            arrived: 0,
            finished: 0,
            workers: Vec::new(),
            last: None,
        }
    }

    fn arrive(&mut self, jobs: u64) {
        self.waiting += jobs;
        self.arrived += jobs;
    }

    fn backlog(&self) -> u64 {
        self.arrived - self.finished
    }

    fn replicas(&self) -> usize {
        self.workers.len()
    }

    /// So many seconds, jobs arriving as told; the replicas at the end of each.
    fn run(&mut self, seconds: i64, mut arrivals: impl FnMut() -> u64) -> Vec<usize> {
        let mut replicas = Vec::new();
        for second in 0..seconds {
            // Looks do not keep step with the work.
            let late = second * 37 % 20;
            for tick in 0..1000 / TICK {
                if tick == late {
                    self.scale();
                }
                let jobs = arrivals();
                self.arrive(jobs);
                self.work();
            }
            replicas.push(self.replicas());
        }
        replicas
    }

    /// Runs until nothing waits or is in flight, and says how many seconds that took.
    fn drain(&mut self) -> i64 {
        let begun = self.now;
        while self.backlog() > 0 {
            self.run(1, || 0);
            assert!(self.now - begun < 10_000_000, "never done: {}", self.last.unwrap());
        }
        (self.now - begun) / 1000
    }

    fn work(&mut self) {
        let from = self.now;
        self.now += TICK;
        for worker in &mut self.workers {
            let mut free = from.max(worker.ready_at);
            if let Some(done) = worker.done_at.take_if(|done| *done <= self.now) {
                self.finished += 1;
                free = done;
            }
            while worker.done_at.is_none() && free < self.now && self.waiting > 0 {
                self.waiting -= 1;
                if free + self.service <= self.now {
                    free += self.service;
                    self.finished += 1;
                } else {
                    worker.done_at = Some(free + self.service);
                }
            }
        }
    }

    fn scale(&mut self) {
        let busy = self.workers.iter().filter(|worker| worker.done_at.is_some()).count();
        let mut load = Load { backlog: self.backlog(), ..Load::default() };
        if self.counts {
            load.busy = u32::try_from(busy).unwrap();
            (load.arrived, load.finished) = (Some(self.arrived), Some(self.finished));
        }
        let ready = self.workers.iter().filter(|worker| worker.ready_at <= self.now).count();
        let current = u32::try_from(self.workers.len()).unwrap();
        let observation = Observation { current, ready: u32::try_from(ready).ok(), load: Some(load) };
        let decision = plan(&self.policy, &mut self.history, &observation, START + TimeDelta::milliseconds(self.now));
        self.last = Some(decision);
        let wanted = usize::try_from(decision.replicas).unwrap();
        if self.counts && wanted < self.workers.len() {
            assert!(wanted >= busy, "{busy} are busy, and {wanted} are to stay: {decision}");
        }
        // The idle go first, as the cost of deleting the busy sees to.
        self.workers.sort_by_key(|worker| worker.done_at.is_none());
        let cut = self.workers.drain(wanted.min(self.workers.len())..).filter(|worker| worker.done_at.is_some());
        self.waiting += cut.count() as u64;
        while self.workers.len() < wanted {
            self.workers.push(Worker { ready_at: self.now + self.start, done_at: None });
        }
    }
}

fn within(seconds: u64) -> Policy {
    Policy { backlog_per_replica: None, drain: Some(Duration::from_secs(seconds)), ..policy(1_000, 1) }
}

/// So many jobs a second, evenly.
fn evenly(rate: f64) -> impl FnMut() -> u64 {
    let (mut due, mut sent) = (0.0, 0);
    move || {
        due += rate * TICK as f64 / 1000.0;
        let jobs = due as u64 - sent;
        sent = due as u64;
        jobs
    }
}

/// So many jobs a second, by chance, but always the same chance.
fn by_chance(rate: f64) -> impl FnMut() -> u64 {
    let mut state = 7_u64;
    move || {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (limit, mut product, mut jobs) = ((-rate * TICK as f64 / 1000.0).exp(), next(), 0);
        while product > limit {
            (product, jobs) = (product * next(), jobs + 1);
        }
        jobs
    }
}

#[test]
fn a_burst_is_drained_within_the_target_once_the_rate_is_known() {
    for (target, service, start, burst) in [
        (30, 200, 5_000, 3_000),
        (30, 200, 0, 3_000),
        (300, 1_000, 20_000, 5_000),
        (60, 110, 2_000, 20_000),
        (120, 10_000, 5_000, 60),
    ] {
        let mut plant = Plant::new(within(target), service, start);
        plant.run(240, evenly(2_000.0 / service as f64));
        plant.drain();
        plant.run(30, || 0);
        plant.arrive(burst);
        plant.scale();
        let took = plant.drain();
        let (target, least) = (i64::try_from(target).unwrap(), i64::try_from(target).unwrap() / 4);
        assert!(took <= target, "{burst} of {service} ms took {took} s of {target}: {}", plant.last.unwrap());
        assert!(took >= least.min(target - start / 1000 - 1), "{burst} of {service} ms took only {took} s of {target}");
    }
}

#[test]
fn a_burst_that_finds_nothing_known_is_learned_from_and_drained() {
    for counts in [true, false] {
        let mut plant = Plant { counts, ..Plant::new(within(120), 5_000, 3_000) };
        plant.arrive(400);
        plant.scale();
        assert_eq!(plant.replicas(), 1);
        plant.run(40, || 0);
        assert!(plant.replicas() > 10, "learned from the first: {}", plant.last.unwrap());
        let took = plant.drain();
        assert!(took <= 125, "took {took} s with counters {counts}: {}", plant.last.unwrap());
    }
}

#[test]
fn a_steady_load_settles_at_a_steady_number() {
    let mut plant = Plant::new(within(30), 250, 3_000);
    plant.run(600, evenly(20.0));
    let replicas = plant.run(1_200, evenly(20.0));
    assert!(replicas.iter().all(|&count| count == replicas[0]), "{replicas:?}");
    assert!((8..=9).contains(&replicas[0]), "20 a second at 4 each take 5, at seven tenths 8: {}", plant.last.unwrap());
    assert!(matches!(plant.last.unwrap().drain, Drain::In(time) if time < Duration::from_secs(2)), "{:?}", plant.last);
}

#[test]
fn a_load_by_chance_settles_in_a_narrow_band() {
    let mut plant = Plant::new(within(30), 250, 3_000);
    let mut arrivals = by_chance(20.0);
    plant.run(600, &mut arrivals);
    let replicas = plant.run(3_600, &mut arrivals);
    let (least, most) = (replicas.iter().min().unwrap(), replicas.iter().max().unwrap());
    assert!(*least >= 7 && *most <= 12, "from {least} to {most}");
    let changes = replicas.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes <= 40, "{changes} changes in an hour");
}

#[test]
fn arrivals_that_stop_lead_to_zero_after_the_cooldown() {
    let mut plant = Plant::new(Policy { cooldown: Duration::from_secs(90), ..within(30) }, 250, 3_000);
    plant.run(300, evenly(20.0));
    assert!(plant.replicas() >= 8);
    plant.drain();
    assert!(plant.run(88, || 0).iter().all(|&count| count > 0), "not before the cooldown");
    assert_eq!(plant.run(60, || 0).last(), Some(&0), "{}", plant.last.unwrap());
}

#[test]
fn a_batch_now_and_then_is_no_rate() {
    let mut plant = Plant::new(within(60), 20, 2_000);
    plant.run(120, evenly(100.0));
    plant.drain();
    plant.run(300, || 0);
    plant.arrive(10_000);
    let most = plant.run(60, || 0).into_iter().max().unwrap();
    assert!(most <= 4, "10,000 at 50 a second by each take 3.4 within 60 s, and {most} were asked for");
}

#[test]
fn a_redis_that_lost_its_data_teaches_no_wrong_rate() {
    let mut plant = Plant::new(within(30), 250, 3_000);
    plant.run(300, evenly(20.0));
    let before = plant.replicas();
    (plant.arrived, plant.finished) = (plant.waiting, 0);
    plant.workers.iter_mut().for_each(|worker| worker.done_at = None);
    let replicas = plant.run(300, evenly(20.0));
    assert!(replicas.iter().all(|count| (before - 2..=before + 2).contains(count)), "from {before}: {replicas:?}");
}

#[test]
fn both_targets_together_keep_the_larger() {
    let both = Policy { backlog_per_replica: NonZeroU32::new(10), ..within(600) };
    let mut plant = Plant::new(both, 1_000, 1_000);
    plant.arrive(600);
    plant.scale();
    assert_eq!(plant.replicas(), 60);
    assert!(plant.drain() < 30);
}
