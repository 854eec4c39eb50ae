//! The answer, and why, in words.

use std::fmt;
use std::time::Duration;

use strum_macros::IntoStaticStr;

use crate::law::Load;

/// How many replicas there should be, and why. Its `Display` is the reason in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// What to have from now on.
    pub replicas: u32,
    /// What the load alone asks for.
    pub basis: Basis,
    /// What made the answer differ from that, if anything.
    pub hold: Option<Hold>,
    /// When the backlog will be gone at the present rate.
    pub drain: Drain,
    /// What keeps arriving, in the source's unit, a second; none where the load could not be read.
    pub arrival: Option<f64>,
    /// What one replica finishes, likewise; none while that is not known.
    pub service: Option<f64>,
}

/// What the load asks for.
#[derive(Clone, Copy, Debug, PartialEq, IntoStaticStr)]
pub enum Basis {
    /// The load could not be read.
    Unknown,
    /// Nothing waits and nothing is in flight.
    Idle,
    /// `backlog`, so much of it for each replica.
    Backlog {
        /// In the source's unit.
        backlog: u64,
        /// In the source's unit.
        per_replica: u32,
        /// Replicas.
        needed: u32,
    },
    /// `backlog` and what arrives are to be worked off within a time.
    Rate {
        /// In the source's unit.
        backlog: u64,
        /// What keeps arriving, in the source's unit, a second.
        arrival: f64,
        /// What one replica finishes, likewise.
        service: f64,
        /// The drain target.
        within: Duration,
        /// Replicas.
        needed: u32,
    },
    /// `backlog` is to be worked off within a time, but how fast one replica works is not known yet.
    NoRateYet {
        /// In the source's unit.
        backlog: u64,
    },
}

/// Why the replicas are not simply what the load asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum Hold {
    /// The policy's most.
    Maximum(u32),
    /// The policy's least.
    Minimum(u32),
    /// The scale-up window saw a lower need.
    UpWindow(Duration),
    /// The scale-down window saw a higher need.
    DownWindow(Duration),
    /// The samples do not cover the scale-down window yet.
    Learning(Duration),
    /// Twice what was ready was needed within the scale-down window.
    Panic(Duration),
    /// Too near to what is needed for a change, in percent.
    Tolerance(u64),
    /// One step down takes no more.
    Step(u32),
    /// The last step down was a moment ago.
    Settling,
    /// So many workers are at work.
    Busy(u32),
    /// The queue has been idle, but not yet for the cooldown.
    Cooldown(Duration),
    /// A retry comes due within the cooldown.
    RetryDue,
}

/// When the backlog will be gone at the present rate: what the ready replicas finish, less what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// How fast one replica works is not known yet, or what waits is not.
    Unknown,
    /// It grows, or stays.
    Never,
    /// After this time.
    In(Duration),
}

impl Decision {
    /// The load could not be read: nothing changes.
    pub(crate) fn unread(current: u32) -> Self {
        let (basis, drain) = (Basis::Unknown, Drain::Unknown);
        Self { replicas: current, basis, hold: None, drain, arrival: None, service: None }
    }

    /// The reason in one word, of few: the name of the hold, else of the basis.
    pub fn name(&self) -> &'static str {
        self.hold.map_or_else(|| self.basis.into(), Into::into)
    }
}

impl Drain {
    pub(crate) fn of(load: &Load, ready: u32, arrival: f64, service: Option<f64>) -> Self {
        if load.backlog == 0 {
            return Self::In(Duration::ZERO);
        }
        match service {
            None if ready > 0 => Self::Unknown,
            None => Self::Never,
            Some(service) => {
                let gained = f64::from(ready) * service - arrival;
                let time = Duration::try_from_secs_f64(load.backlog as f64 / gained.max(0.0));
                time.map_or(Self::Never, Self::In)
            }
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.basis)?;
        self.hold.map_or(Ok(()), |hold| write!(f, "; {hold}"))
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "the queue cannot be read, so nothing changes"),
            Self::Idle => write!(f, "nothing waits and nothing is in flight"),
            Self::Backlog { backlog, per_replica, needed } => {
                write!(f, "a backlog of {backlog} at {per_replica} per replica needs {needed}")
            }
            Self::Rate { backlog, arrival, service, within, needed } => write!(
                f,
                "a backlog of {backlog} with {} arriving a second needs {needed} to be worked off within {} s, {} a second by each",
                digits(*arrival),
                within.as_secs(),
                digits(*service)
            ),
            Self::NoRateYet { backlog } => {
                write!(f, "a backlog of {backlog}; how fast one replica works is not known yet, so at least one runs")
            }
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maximum(max) => write!(f, "limited to the maximum of {max}"),
            Self::Minimum(min) => write!(f, "kept at the minimum of {min}"),
            Self::UpWindow(window) => write!(f, "held by the scale-up window of {} s", window.as_secs()),
            Self::DownWindow(window) => write!(f, "more was needed within the last {} s", window.as_secs()),
            Self::Learning(window) => write!(f, "not down before {} s of samples", window.as_secs()),
            Self::Panic(window) => write!(f, "not down: twice what was ready was needed within {} s", window.as_secs()),
            Self::Tolerance(percent) => write!(f, "a difference of up to {percent} % changes nothing"),
            Self::Step(percent) => write!(f, "one step down takes at most {percent} %"),
            Self::Settling => write!(f, "the last step down was a moment ago"),
            Self::Busy(busy) => write!(f, "{busy} workers are busy"),
            Self::Cooldown(cooldown) => write!(f, "zero only after {} s of idleness", cooldown.as_secs()),
            Self::RetryDue => write!(f, "a retry comes due within the cooldown"),
        }
    }
}

/// A rate as people read it: three digits are enough.
fn digits(rate: f64) -> String {
    let places = if rate == 0.0 || rate >= 100.0 { 0 } else { 3 - 2 * usize::from(rate >= 1.0) };
    format!("{rate:.places$}")
}
