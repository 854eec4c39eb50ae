//! Sorted sets: their members, or those whose time has come.

use caudal_redis::Client;
use chrono::{DateTime, Utc};
use redis::{RedisResult, cmd, pipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Work};

/// A Redis sorted set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SortedSet {
    /// The sorted set's key.
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// What the scores mean, when they are times: then only members whose time has come count. Without it all members count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_by: Option<DueBy>,
}

/// What the scores mean, when they are times: then only members whose time has come count. Without it all members count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DueBy {
    /// Seconds since 1970.
    // The number is how many there are in a second.
    UnixSeconds = 1,
    /// Milliseconds since 1970.
    UnixMilliseconds = 1_000,
}

impl SortedSet {
    pub(crate) async fn observe(&self, redis: &Client) -> Result<Work, Error> {
        let found = match self.due_by {
            None => cmd("ZCARD").arg(&self.key).query_async(&mut redis.shared()).await.map(|members| (members, None)),
            Some(unit) => self.due(f64::from(unit as u16), redis).await,
        };
        match found {
            Ok((waiting, next_due)) => Ok(Work { waiting, next_due, ..Work::default() }),
            Err(error) => Err(Error::of(error, &[&self.key], "sorted set", redis).await),
        }
    }

    /// How many members are due by the clock of Redis, and when the next comes due, if a calendar reaches so far.
    async fn due(&self, in_a_second: f64, redis: &Client) -> RedisResult<(u64, Option<DateTime<Utc>>)> {
        let mut redis = redis.shared();
        let (seconds, micros): (f64, f64) = cmd("TIME").query_async(&mut redis).await?;
        let now = (seconds + micros / 1e6) * in_a_second;
        let mut members = pipe();
        members.atomic().cmd("ZCOUNT").arg(&self.key).arg("-inf").arg(now);
        members.cmd("ZRANGE").arg(&self.key).arg(format!("({now}")).arg("+inf").arg("BYSCORE");
        members.arg("LIMIT").arg(0).arg(1).arg("WITHSCORES");
        let (due, next): (u64, Vec<(String, f64)>) = members.query_async(&mut redis).await?;
        // A float outside of the range becomes its nearest end.
        let micros = next.first().map(|(_, score)| (score / in_a_second * 1e6) as i64);
        Ok((due, micros.and_then(DateTime::from_timestamp_micros)))
    }
}
