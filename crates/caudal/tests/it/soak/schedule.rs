//! Which program is struck when, and how: made in advance from the seed alone.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// Between two faults, in milliseconds.
const GAP: std::ops::RangeInclusive<u64> = 1_000..=2_000;
/// How long a fault lasts at most where nothing depends on it being longer, in milliseconds.
const SHORT: std::ops::RangeInclusive<u64> = 100..=4_000;
/// A worker that is stopped for so long wakes up after its lease has gone to another.
const BEYOND_A_LEASE: std::ops::RangeInclusive<u64> = 16_000..=25_000;
/// A program that has come back is left alone for so long.
const PEACE: Duration = Duration::from_millis(500);

/// A program of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Redis,
    Postgres,
    Api(usize),
    Worker(usize),
}

impl Target {
    /// Two APIs and three workers on one Redis and one PostgreSQL.
    pub(crate) const ALL: [Self; 7] =
        [Self::Redis, Self::Postgres, Self::Api(0), Self::Api(1), Self::Worker(0), Self::Worker(1), Self::Worker(2)];
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis => formatter.write_str("Redis"),
            Self::Postgres => formatter.write_str("PostgreSQL"),
            Self::Api(number) => write!(formatter, "API {number}"),
            Self::Worker(number) => write!(formatter, "worker {number}"),
        }
    }
}

/// What is done to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Blow {
    /// Killed with -9, and started anew when the fault ends.
    Kill,
    /// Stopped, and continued when the fault ends.
    Stop,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From the beginning of the run.
    pub(crate) at: Duration,
    pub(crate) target: Target,
    pub(crate) blow: Blow,
    /// Until the program is started anew or continued.
    pub(crate) lasts: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, target, blow, lasts } = self;
        write!(formatter, "{:8.3} s  {blow:?} {target} for {:.3} s", at.as_secs_f64(), lasts.as_secs_f64())
    }
}

/// The faults of a run of this length, in order: one every 1 to 2 s, each on a program that is well at that time, the
/// last one over when the run is.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<Fault> {
    let mut random = Rng::with_seed(seed);
    let mut faults: Vec<Fault> = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        at += Duration::from_millis(random.u64(GAP));
        if at >= length {
            return faults;
        }
        let busy =
            |target: &Target| faults.iter().any(|fault| fault.target == *target && fault.at + fault.lasts + PEACE > at);
        let well: Vec<_> = Target::ALL.into_iter().filter(|target| !busy(target)).collect();
        let Some(target) = random.choice(well) else { continue };
        let blow = if random.bool() { Blow::Kill } else { Blow::Stop };
        let long = blow == Blow::Stop && matches!(target, Target::Worker(_)) && random.u8(0..3) == 0;
        let lasts = Duration::from_millis(random.u64(if long { BEYOND_A_LEASE } else { SHORT }));
        faults.push(Fault { at, target, blow, lasts: lasts.min(length - at) });
    }
}

#[test]
fn a_seed_replays_its_schedule_and_another_seed_makes_another() {
    let length = Duration::from_secs(600);
    assert_eq!(schedule(7, length), schedule(7, length));
    assert_ne!(schedule(7, length), schedule(8, length));
}

#[test]
fn every_program_is_killed_and_stopped_and_never_while_it_is_down() {
    let length = Duration::from_secs(600);
    let faults = schedule(1, length);
    for target in Target::ALL {
        let own: Vec<_> = faults.iter().filter(|fault| fault.target == target).collect();
        assert!([Blow::Kill, Blow::Stop].iter().all(|blow| own.iter().any(|fault| fault.blow == *blow)), "{target}");
        assert!(own.windows(2).all(|pair| pair[0].at + pair[0].lasts < pair[1].at), "{target}");
    }
    assert!(faults.iter().all(|fault| fault.at + fault.lasts <= length));
    assert!(faults.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(1)));
}
