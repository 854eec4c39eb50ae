//! What holds for every policy, load and clock.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::{World, at, policy};
use crate::{Load, Observation, Policy, plan};

/// A gap in the samples that is longer begins the windows anew.
const LONGEST_GAP: i64 = 15;

fn policies() -> impl Strategy<Value = Policy> {
    let targets = (prop::option::of(1..30_u32), prop::option::of(1..100_u64));
    (0..20_u32, 0..40_u32, targets, 0..30_u64, 0..10_u64, 1..=100_u32, 0..30_u64).prop_map(
        |(min, more, (per_replica, drain), down, up, step_percent, cooldown)| Policy {
            min,
            backlog_per_replica: if drain.is_none() { Some(per_replica.unwrap_or(5)) } else { per_replica }
                .and_then(NonZeroU32::new),
            drain: drain.map(Duration::from_secs),
            up_window: Duration::from_secs(up),
            down_window: Duration::from_secs(down),
            step_percent,
            cooldown: Duration::from_secs(cooldown),
            ..policy(min + more, 1)
        },
    )
}

fn counters() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(prop::strategy::Union::new([0..5_000_u64, 0..100, u64::MAX - 9..u64::MAX]))
}

/// Loads of all kinds, the counters rising, falling and leaping as they like.
fn loads() -> impl Strategy<Value = Option<Load>> {
    let load = (0..1000_u64, 0..30_u32, prop::option::of(0..200_i64), counters(), counters());
    prop::option::weighted(0.9, load).prop_map(|load| {
        load.map(|(backlog, busy, due, arrived, finished)| Load {
            backlog,
            busy: if backlog == 0 { 0 } else { busy },
            next_due: due.map(at),
            arrived,
            finished,
        })
    })
}

/// Seconds from one look to the next; now and then the clock is put, or nobody looks for long.
fn steps() -> impl Strategy<Value = i64> {
    prop::strategy::Union::new_weighted(vec![(12, 1..4_i64), (1, -4_000..0), (1, 16..4_000)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

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
        policy in policies(), start in 0..60_u32, loads in prop::collection::vec(loads(), 0..60), now in loads(),
        less in 0..500_u64, more in 0..500_u64, ready in prop::option::of(0..60_u32),
    ) {
        let mut world = World::new(policy, start);
        for load in loads {
            world.ask(load);
        }
        let ask = |backlog| {
            let load = Load { backlog, ..now.unwrap_or_default() };
            let observation = Observation { current: world.current, ready, load: Some(load) };
            plan(&policy, &mut world.history.clone(), &observation, at(world.second)).replicas
        };
        prop_assert!(ask(less) <= ask(less + more));
    }

    #[test]
    fn a_constant_load_does_not_flap(policy in policies(), start in 0..60_u32, amount in 0..1000_u64, busy in any::<bool>()) {
        let mut world = World::new(policy, start);
        let load = Some(Load { backlog: amount, busy: u32::from(busy && amount > 0), ..Load::default() });
        let replicas = world.ask_for(600, load);
        let turns: Vec<bool> = replicas.windows(2).filter(|pair| pair[0] != pair[1]).map(|pair| pair[0] < pair[1]).collect();
        let start_fixed = replicas[0];
        prop_assert!(turns.windows(2).all(|pair| pair[0] == pair[1]), "one direction only from {start_fixed}: {replicas:?}");
        prop_assert_eq!(replicas[500], replicas[599], "settled");
    }

    #[test]
    fn a_constant_flow_settles(policy in policies(), start in 0..60_u32, amount in 0..100_u64, flow in 0..50_u64, busy in 1..20_u32) {
        let mut world = World::new(policy, start);
        let replicas: Vec<u32> = (0..900)
            .map(|second| {
                let finished = second * flow;
                let busy = if amount == 0 { 0 } else { busy };
                let load = Load { backlog: amount, busy, next_due: None, arrived: Some(finished + amount), finished: Some(finished) };
                world.ask(Some(load)).replicas
            })
            .collect();
        prop_assert_eq!(&replicas[800..], &vec![replicas[899]; 100], "{:?}", replicas);
    }

    #[test]
    fn after_a_restart_nothing_goes_down_before_a_full_window(
        policy in policies(), start in 0..60_u32, before in prop::collection::vec(loads(), 0..40), after in prop::collection::vec(loads(), 1..60),
    ) {
        let mut world = World::new(policy, start);
        for load in before {
            world.ask(load);
        }
        world.restart();
        let restarted = world.second;
        for load in after {
            let (had, second) = (world.current, world.second);
            let has = world.ask(load).replicas;
            let covered = Duration::from_secs(u64::try_from(second - restarted).unwrap()) >= policy.down_window;
            prop_assert!(has >= had.min(policy.max) || covered, "from {} to {} after {} s", had, has, second - restarted);
        }
    }

    #[test]
    fn a_clock_that_travels_does_no_harm(
        policy in policies(), start in 0..60_u32, looks in prop::collection::vec((steps(), loads()), 1..80),
    ) {
        let mut world = World::new(policy, start);
        let mut series = world.second;
        for (step, load) in looks {
            world.second += step - 1;
            if !(0..=LONGEST_GAP).contains(&step) {
                series = world.second;
            }
            let (had, second) = (world.current, world.second);
            let has = world.ask(load).replicas;
            let covered = Duration::from_secs(u64::try_from(second - series).unwrap()) >= policy.down_window;
            prop_assert!(has >= had.min(policy.max) || covered, "from {} to {}, {} s after the jump", had, has, second - series);
            prop_assert!(load.is_none() || (policy.min..=policy.max).contains(&has));
            prop_assert!(has > 0 || had == 0 || policy.max == 0 || load.is_some_and(|load| load.backlog == 0), "zero over work");
        }
        world.second += 1;
        let calm = world.ask_for(400, Some(Load::default()));
        prop_assert_eq!(calm[399], policy.min, "what is past holds nothing for ever");
    }
}
