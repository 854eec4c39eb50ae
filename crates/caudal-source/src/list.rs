//! Lists: their lengths.

use caudal_redis::Client;
use redis::pipe;

use crate::{Error, Work};

/// One or several Redis lists that the same workers serve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The lists that entries wait in.
    pub keys: Vec<String>,
    /// The lists that entries are moved to while a worker has them; none where workers just pop.
    pub processing: Vec<String>,
}

impl List {
    pub(crate) async fn observe(&self, redis: &Client) -> Result<Work, Error> {
        let keys: Vec<&str> = self.keys.iter().chain(&self.processing).map(String::as_str).collect();
        let lengths = lengths(redis, &keys).await?;
        let (waiting, in_flight) = lengths.split_at(self.keys.len().min(lengths.len()));
        Ok(Work { waiting: waiting.iter().sum(), in_flight: in_flight.iter().sum(), ..Work::default() })
    }
}

/// How long each list is, all at one moment.
pub(crate) async fn lengths(redis: &Client, keys: &[&str]) -> Result<Vec<u64>, Error> {
    let mut lengths = pipe();
    lengths.atomic();
    for key in keys {
        lengths.cmd("LLEN").arg(key);
    }
    match lengths.query_async(&mut redis.shared()).await {
        Ok(lengths) => Ok(lengths),
        Err(error) => Err(Error::of(error, keys, "list", redis).await),
    }
}
