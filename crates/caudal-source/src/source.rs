//! The kinds of queues, and what is found in one.

use std::collections::BTreeSet;

use caudal_redis::Client;
use chrono::{DateTime, Utc};

use crate::{Asker, Celery, Error, List, SortedSet, Stream};

/// A foreign queue.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// One or several Redis lists.
    List(List),
    /// A Redis stream with its consumer group.
    Stream(Stream),
    /// A Redis sorted set.
    SortedSet(SortedSet),
    /// Queues of Celery.
    Celery {
        /// Which.
        queues: Celery,
        /// Who asks its workers.
        asker: Asker,
    },
}

/// How much work a queue holds, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Entries that wait.
    pub waiting: u64,
    /// Entries that a worker has, as far as the queue tells.
    pub in_flight: u64,
    /// Workers that have work; 0 where the queue cannot tell.
    pub busy: u64,
    /// Their names, of those that are known; none where the queue cannot tell. A name is the worker's host's, or what it calls itself.
    pub workers: Option<BTreeSet<String>>,
    /// When the earliest entry comes due that does not wait yet, by the clock of Redis.
    pub next_due: Option<DateTime<Utc>>,
    /// All that ever arrived; none where Redis does not count it. Falls where the queue was made anew.
    pub arrived: Option<u64>,
    /// What a person should know about these numbers, as a sentence without its capital and stop.
    pub note: Option<String>,
}

impl Work {
    /// Entries waiting and in flight.
    pub fn total(&self) -> u64 {
        self.waiting.saturating_add(self.in_flight)
    }
}

impl Source {
    /// Looks how much work the queue holds.
    ///
    /// # Errors
    /// An error is never a number; see [`Error`].
    pub async fn observe(&self, redis: &Client) -> Result<Work, Error> {
        match self {
            Self::List(list) => list.observe(redis).await,
            Self::Stream(stream) => stream.observe(redis).await,
            Self::SortedSet(set) => set.observe(redis).await,
            Self::Celery { queues, asker } => queues.observe(asker, redis).await,
        }
    }
}
