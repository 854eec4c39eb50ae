//! The answer, and why, in words.

use std::fmt;
use std::time::Duration;

/// How many replicas there should be, and why. Its `Display` is the reason in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to have from now on.
    pub replicas: u32,
    /// What the load alone asks for.
    pub basis: Basis,
    /// What made the answer differ from that, if anything.
    pub hold: Option<Hold>,
}

/// What the load asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// `backlog` is to be worked off within a time, but how fast one replica works is not known yet.
    NoRateYet {
        /// In the source's unit.
        backlog: u64,
    },
}

/// Why the replicas are not simply what the load asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.basis)?;
        match self.hold {
            Some(hold) => write!(f, "; {hold}"),
            None => Ok(()),
        }
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
            Self::NoRateYet { backlog } => {
                write!(f, "a backlog of {backlog}, and no service rate learned yet, so one replica starts")
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
            Self::Step(percent) => write!(f, "one step down takes at most {percent} %"),
            Self::Settling => write!(f, "the last step down was a moment ago"),
            Self::Busy(busy) => write!(f, "{busy} workers are busy"),
            Self::Cooldown(cooldown) => write!(f, "zero only after {} s of idleness", cooldown.as_secs()),
            Self::RetryDue => write!(f, "a retry comes due within the cooldown"),
        }
    }
}
