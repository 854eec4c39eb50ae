//! Streams: what waits for a group and what is pending in it.

use caudal_redis::Client;
use redis::{RedisResult, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Work};

/// How many entries are counted at a time, so that no command keeps Redis for long.
const PAGE: u64 = 100;
/// How many are counted at most: beyond it at least so many wait.
const MOST: u64 = 10_000;

/// A Redis stream with its consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// The stream's key.
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// The consumer group. While it is missing and the stream holds entries, one worker is asked for, which is to make it.
    #[schemars(length(min = 1, max = 512))]
    pub group: String,
}

/// Entries, entries ever added, last delivered id, waiting (-1: to be counted), pending, names of the consumers that have some.
type Look = (u64, u64, Option<String>, i64, u64, Vec<String>);

impl Stream {
    pub(crate) async fn observe(&self, redis: &Client) -> Result<Work, Error> {
        match self.look(redis).await {
            Ok(work) => Ok(work),
            Err(error) => Err(Error::of(error, &[&self.key], "stream", redis).await),
        }
    }

    async fn look(&self, redis: &Client) -> RedisResult<Work> {
        let look = Script::new(include_str!("scripts/stream.lua"));
        let look: Look = look.key(&self.key).arg(&self.group).invoke_async(&mut redis.shared()).await?;
        let (length, added, delivered, waiting, in_flight, busy) = look;
        let Some(delivered) = delivered else { return Ok(self.without_group(length)) };
        let (waiting, exact) = match u64::try_from(waiting) {
            Ok(waiting) => (waiting, true),
            Err(_) => self.count(delivered, redis).await?,
        };
        Ok(Work {
            waiting,
            in_flight,
            busy: busy.len() as u64,
            workers: Some(busy.into_iter().collect()),
            arrived: exact.then_some(added),
            ..Work::default()
        })
    }

    /// What has been done of these entries nobody knows, and a group comes into being by a worker: that is work for one.
    fn without_group(&self, length: u64) -> Work {
        let Self { key, group } = self;
        let note = format!(
            "the stream {key} has no group {group}, so what waits is not known: one worker is asked for, which is to make the group"
        );
        Work { waiting: length.min(1), note: (length > 0).then_some(note), ..Work::default() }
    }

    /// How many entries follow this one, and whether that is all.
    async fn count(&self, mut after: String, redis: &Client) -> RedisResult<(u64, bool)> {
        let script = Script::new(include_str!("scripts/entries.lua"));
        let mut entries = 0;
        while entries < MOST {
            let page: (u64, String) =
                script.key(&self.key).arg(after).arg(PAGE).invoke_async(&mut redis.shared()).await?;
            entries += page.0;
            if page.0 < PAGE {
                return Ok((entries, true));
            }
            after = page.1;
        }
        Ok((entries, false))
    }
}
