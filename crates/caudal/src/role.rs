//! The roles: each a plain list of what it is made of.

pub(crate) mod api;
pub(crate) mod controller;
pub(crate) mod crd;
pub(crate) mod migrate;
pub(crate) mod worker;

use caudal_ledger::Ledger;
use caudal_queue::Queue;

/// Where the queue is.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Place {
    #[command(flatten)]
    redis: caudal_redis::Options,
    #[command(flatten)]
    queue: caudal_queue::Options,
}

impl Place {
    /// Opens it; connects nothing yet.
    pub(crate) fn open(&self) -> anyhow::Result<Queue> {
        Ok(Queue::new(&self.client()?, &self.queue))
    }

    /// The Redis it is in.
    pub(crate) fn client(&self) -> anyhow::Result<caudal_redis::Client> {
        Ok(caudal_redis::Client::new(&self.redis)?)
    }
}

/// What the commands for operators have in common: which queue, and for whom the answer is.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the queue and the ledger are.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Stores {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    ledger: caudal_ledger::Options,
}

impl Stores {
    /// Opens both; connects nothing yet.
    pub(crate) fn open(&self) -> anyhow::Result<(Queue, Ledger)> {
        Ok((self.place.open()?, Ledger::new(&self.ledger)?))
    }

    /// The same, for a process to be started: a password must not stand in a list of processes.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("REDIS_URL", self.place.redis.redis_url.expose().to_owned()),
            ("DATABASE_URL", self.ledger.database_url.expose().to_owned()),
            ("CAUDAL_QUEUE", self.place.queue.queue.to_string()),
        ]
    }
}
