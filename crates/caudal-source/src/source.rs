//! The kinds of queues, and how each is asked.

use caudal_redis::Client;
use redis::pipe;

use crate::Error;

/// A foreign queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// One or several Redis lists.
    List(List),
}

/// One or several Redis lists that the same workers serve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The lists that entries wait in.
    pub keys: Vec<String>,
    /// The lists that entries are moved to while a worker has them; none where workers just pop.
    pub processing: Vec<String>,
}

/// How much work a queue holds, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Entries that wait.
    pub waiting: u64,
    /// Entries that a worker has, as far as the queue tells.
    pub in_flight: u64,
}

impl Work {
    /// Entries waiting and in flight.
    pub fn total(&self) -> u64 {
        self.waiting + self.in_flight
    }
}

impl Source {
    /// Looks how much work the queue holds.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; an error is never a number.
    pub async fn observe(&self, redis: &Client) -> Result<Work, Error> {
        match self {
            Self::List(list) => list.observe(redis).await,
        }
    }
}

impl List {
    async fn observe(&self, redis: &Client) -> Result<Work, Error> {
        let mut lengths = pipe();
        lengths.atomic();
        for key in self.keys.iter().chain(&self.processing) {
            lengths.cmd("LLEN").arg(key);
        }
        let lengths: Vec<u64> = lengths.query_async(&mut redis.shared()).await?;
        let (waiting, in_flight) = lengths.split_at(self.keys.len().min(lengths.len()));
        Ok(Work { waiting: waiting.iter().sum(), in_flight: in_flight.iter().sum() })
    }
}
