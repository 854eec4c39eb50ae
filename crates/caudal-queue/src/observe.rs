//! What operators look at: who works, and how much has gone through.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use redis::{RedisResult, Value, cmd, from_redis_value, streams::StreamInfoConsumersReply};

use crate::{
    Error, Queue,
    queue::{GROUP, NOBODY},
};

/// One worker, as Redis knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its name, `<pod>/<nonce>`.
    pub name: String,
    /// Chunks that it holds.
    pub chunks: u64,
    /// How long ago it last took chunks or renewed its leases; before Redis 7.2 nothing more is known of a worker that only waits.
    pub silent: Duration,
}

/// How many chunks have come and gone, retries counted anew; two looks make a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Chunks that ever came into the stream.
    pub added: u64,
    /// Chunks that ever left it.
    pub gone: u64,
    /// When, by Redis' clock.
    pub at: DateTime<Utc>,
}

impl Queue {
    /// The workers that are known, by name; also those that died without a word, until they are tidied away.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn workers(&self) -> Result<Vec<Worker>, Error> {
        let mut connection = self.connection();
        let known =
            cmd("XINFO").arg("CONSUMERS").arg(&self.keys().stream).arg(GROUP).query_async(&mut connection).await;
        let Some(known): Option<StreamInfoConsumersReply> = or_if_missing(known)? else { return Ok(Vec::new()) };
        let (time, heartbeats): ((i64, i64), HashMap<String, f64>) = redis::pipe()
            .cmd("TIME")
            .zrange_withscores(&self.keys().workers, 0, -1)
            .query_async(&mut connection)
            .await?;
        let now = time.0 * 1_000 + time.1 / 1_000;
        let since = |name: &str| heartbeats.get(name).map(|at| u64::try_from(now - *at as i64).unwrap_or_default());
        let mut workers: Vec<Worker> = known
            .consumers
            .into_iter()
            .filter(|consumer| consumer.name != NOBODY)
            .map(|consumer| {
                let silent = since(&consumer.name).unwrap_or(u64::MAX).min(consumer.idle as u64);
                Worker { chunks: consumer.pending as u64, silent: Duration::from_millis(silent), name: consumer.name }
            })
            .collect();
        workers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(workers)
    }

    /// How many chunks have come and gone so far.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn flow(&self) -> Result<Flow, Error> {
        let mut connection = self.connection();
        let (seconds, micros): (i64, u32) = cmd("TIME").query_async(&mut connection).await?;
        let at = DateTime::from_timestamp(seconds, micros.saturating_mul(1_000)).unwrap_or_default();
        let stream = cmd("XINFO").arg("STREAM").arg(&self.keys().stream).query_async(&mut connection).await;
        let stream: HashMap<String, Value> = or_if_missing(stream)?.unwrap_or_default();
        let number = |name: &str| stream.get(name).and_then(|value| from_redis_value::<u64>(value.clone()).ok());
        let added = number("entries-added").unwrap_or_default();
        Ok(Flow { added, gone: added.saturating_sub(number("length").unwrap_or_default()), at })
    }
}

/// A queue nobody has used yet has neither stream nor group.
fn or_if_missing<T>(answer: RedisResult<T>) -> RedisResult<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some("NOGROUP") => Ok(None),
        Err(error) if error.detail().is_some_and(|detail| detail.starts_with("no such key")) => Ok(None),
        Err(error) => Err(error),
    }
}
