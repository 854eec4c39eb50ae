//! Celery on its Redis broker: what waits, what is delivered, and what runs.

mod remote;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use caudal_redis::Client;
use redis::{RedisResult, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::list::lengths;
use crate::{Error, Work};
use remote::Answers;

/// What kombu puts between a queue's name and a priority.
const SEPARATOR: &str = "\x06\x16";
/// How many messages are looked at a time, so that no command keeps Redis for long.
const PAGE: u64 = 100;
/// How many pages are looked at, at most: beyond it at least so many are delivered.
const PAGES: u32 = 100;

/// How long a worker that lost its connection may take to come back.
const RETURN: Duration = Duration::from_secs(30);

/// Queues of Celery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Celery {
    /// The queues; what they hold is added up.
    #[serde(default = "usual_queues")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 512)))]
    pub queues: Vec<String>,
    /// The broker's `priority_steps`.
    #[serde(default = "usual_steps")]
    #[schemars(length(min = 1, max = 10), inner(range(max = 255)))]
    pub priority_steps: Vec<u32>,
    /// The broker's `global_keyprefix`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub global_key_prefix: String,
    /// Whether the tasks run with `task_acks_late`: then the broker shows which run. Otherwise the workers are asked over remote control,
    /// and while one is silent the replicas stay as they are.
    #[serde(default)]
    pub acks_late: bool,
}

fn usual_queues() -> Vec<String> {
    vec!["celery".to_owned()]
}

fn usual_steps() -> Vec<u32> {
    vec![0, 3, 6, 9]
}

/// Who asks workers, and remembers how many listened.
#[derive(Debug)]
pub struct Asker {
    /// The workers answer into the list `<global_key_prefix><name>`.
    name: String,
    /// How many listened, and when so many did.
    heard: Mutex<Option<(u64, Instant)>>,
}

impl Asker {
    /// By a name that nobody else has.
    pub fn new(name: String) -> Self {
        Self { name, heard: Mutex::default() }
    }

    /// How many listened before, if fewer do now and that was lately: some may have lost their connection, and work on.
    fn misses(&self, listening: u64, now: Instant) -> Option<u64> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = heard.filter(|(most, at)| listening < *most && now.duration_since(*at) < RETURN);
        *heard = missed.or(Some((listening, now)));
        missed.map(|(most, _)| most)
    }
}

impl Celery {
    pub(crate) async fn observe(&self, asker: &Asker, redis: &Client) -> Result<Work, Error> {
        // In the order in which a task moves on, so that one on its way is seen twice rather than missed.
        let keys = self.keys();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let waiting = lengths(redis, &keys).await?.iter().sum();
        let delivered = self.delivered(redis).await?;
        let answers = match (self.acks_late, delivered) {
            (true, 0) => Answers::default(),
            _ => self.ask(&asker.name, redis).await?,
        };
        let Answers { asked, running, workers, silent } = answers;
        if !self.acks_late && silent > 0 {
            return Err(Error::Silent);
        }
        let missed = if self.acks_late { None } else { asker.misses(asked, Instant::now()) };
        Ok(Work {
            waiting,
            in_flight: delivered.saturating_add(running),
            // Who is too busy to answer is busy.
            busy: missed.unwrap_or_else(|| silent.saturating_add(workers.len() as u64)),
            workers: Some(workers),
            ..Work::default()
        })
    }

    /// The lists of all queues and priorities. Priority 0 has the queue's own name.
    fn keys(&self) -> Vec<String> {
        let steps = |queue| {
            self.priority_steps.iter().map(move |step| match step {
                0 => format!("{}{queue}", self.global_key_prefix),
                step => format!("{}{queue}{SEPARATOR}{step}", self.global_key_prefix),
            })
        };
        self.queues.iter().flat_map(steps).collect()
    }

    /// How many messages workers have fetched and not acknowledged. All queues of a broker share one hash of them.
    async fn delivered(&self, redis: &Client) -> Result<u64, Error> {
        let unacked = format!("{}unacked", self.global_key_prefix);
        let script = Script::new(include_str!("scripts/delivered.lua"));
        let (mut cursor, mut delivered) = (String::from("0"), 0);
        for _ in 0..PAGES {
            let mut page = script.key(&unacked);
            page.arg(cursor).arg(PAGE).arg(&self.queues);
            let found: RedisResult<(String, u64)> = page.invoke_async(&mut redis.shared()).await;
            let (next, ours) = match found {
                Ok(found) => found,
                Err(error) => return Err(Error::of(error, &[&unacked], "hash", redis).await),
            };
            delivered += ours;
            if next == "0" {
                return Ok(delivered);
            }
            cursor = next;
        }
        Ok(delivered.max(1))
    }
}
