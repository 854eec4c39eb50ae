//! What becomes of a lease's invoices.

use std::time::Duration;

use crate::{Error, Lease};

/// What became of a lease's invoices. Its numbers must add up to the lease's count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// How many were recorded.
    pub recorded: u32,
    /// How many changed nothing: same content, or a newer version stands.
    pub unchanged: u32,
    /// Those that are tried again later. They stay in the backlog.
    pub retried: Vec<Retried>,
    /// Those that are buried, each with its reason.
    pub rejected: Vec<Rejected>,
}

/// One invoice that is tried again later, as an entry of its own with batch, version and trace context as they were.
#[derive(Clone, PartialEq, Eq)]
pub struct Retried {
    /// Position in the batch, from 0.
    pub position: u32,
    /// A chunk of this invoice alone.
    pub payload: Vec<u8>,
    /// Failed attempts so far, this one included; at most 65,535.
    pub attempts: u32,
    /// How long from now the next attempt is due, by Redis' clock.
    pub delay: Duration,
}

/// Invoices that are buried: one dead letter, shown in its batch's status.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Position of the first in the batch, from 0.
    pub position: u32,
    /// How many invoices: 1, or all of a damaged chunk. 0 for an entry that no admission wrote.
    pub count: u32,
    /// The invoice's number, empty where it cannot be told. Shown to the client.
    pub number: String,
    /// Why, for programs: snake case.
    pub code: String,
    /// Why, for operators: English.
    pub detail: String,
    /// The bytes that can be tried again.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Retried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retried")
            .field("position", &self.position)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejected")
            .field("position", &self.position)
            .field("count", &self.count)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl Settlement {
    /// Refuses numbers that do not add up to the lease's.
    pub(crate) fn check(&self, lease: &Lease) -> Result<(), Error> {
        let rejected: u64 = self.rejected.iter().map(|line| u64::from(line.count)).sum();
        let named = u64::from(self.recorded) + u64::from(self.unchanged) + self.retried.len() as u64 + rejected;
        let held = u64::from(lease.count);
        if named == held { Ok(()) } else { Err(Error::Miscounted { named, held }) }
    }

    /// How much a script has to do for it.
    pub(crate) fn weight(&self) -> usize {
        1 + self.retried.len() + self.rejected.len()
    }
}

/// Whether a change of a lease took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The lease is ended and counted.
    Done,
    /// The lease is not this consumer's (any more): nothing was changed. Also the answer to a settlement asked again after
    /// its reply was lost: then the lease was ended the first time. Either way there is nothing left to do.
    Lost,
}

impl From<bool> for Settled {
    fn from(done: bool) -> Self {
        if done { Self::Done } else { Self::Lost }
    }
}
