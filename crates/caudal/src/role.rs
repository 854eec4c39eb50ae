//! The roles: each a plain list of what it is made of.

pub(crate) mod api;
pub(crate) mod controller;
pub(crate) mod crd;
pub(crate) mod migrate;
pub(crate) mod worker;

use caudal_ledger::Ledger;
use caudal_queue::Queue;

/// Where the queue and the ledger are.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Stores {
    #[command(flatten)]
    redis: caudal_redis::Options,
    #[command(flatten)]
    queue: caudal_queue::Options,
    #[command(flatten)]
    ledger: caudal_ledger::Options,
}

impl Stores {
    /// Opens both; connects nothing yet.
    pub(crate) fn open(&self) -> anyhow::Result<(Queue, Ledger)> {
        let queue = Queue::new(&caudal_redis::Client::new(&self.redis)?, &self.queue);
        Ok((queue, Ledger::new(&self.ledger)?))
    }

    /// The same, for a process to be started: a password must not stand in a list of processes.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("REDIS_URL", self.redis.redis_url.expose().to_owned()),
            ("DATABASE_URL", self.ledger.database_url.expose().to_owned()),
            ("CAUDAL_QUEUE", self.queue.queue.to_string()),
        ]
    }
}
