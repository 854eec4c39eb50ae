//! Lists: their lengths.

use caudal_redis::Client;
use redis::pipe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Work};

/// One or several Redis lists that the same workers serve.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct List {
    /// The lists' keys; what they hold is added up.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 512)))]
    pub keys: Vec<String>,
    /// The lists that workers move entries to while they work on them (LMOVE). Without them, popped work cannot be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub processing_keys: Vec<String>,
}

impl List {
    pub(crate) async fn observe(&self, redis: &Client) -> Result<Work, Error> {
        let keys: Vec<&str> = self.keys.iter().chain(&self.processing_keys).map(String::as_str).collect();
        let lengths = lengths(redis, &keys).await?;
        let (waiting, in_flight) = lengths.split_at(self.keys.len().min(lengths.len()));
        let (waiting, in_flight) = (waiting.iter().sum(), in_flight.iter().sum());
        // Each may be another worker's.
        Ok(Work { waiting, in_flight, busy: in_flight, ..Work::default() })
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
