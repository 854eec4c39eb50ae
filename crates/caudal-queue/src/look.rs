//! Looking: how much work there is, and what became of a batch.

use chrono::{DateTime, Utc};
use redis::RedisResult;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    EntryId, Error, Queue,
    queue::{GROUP, NOBODY},
    settle::MAX_REJECTIONS,
};

/// How much work there is, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Invoices that wait, are in flight or are to be retried.
    pub invoices: u64,
    /// Chunks that no worker has.
    pub waiting_chunks: u64,
    /// Chunks that a worker has.
    pub in_flight_chunks: u64,
    /// Workers that have at least one chunk. One that has been silent for a lease is dead and does not count: what it has is
    /// work for another. In the first lease time after Redis was reached, at the start or after an outage, all count.
    pub busy_consumers: u64,
    /// Dead letters.
    pub dead: u64,
    /// Invoices among them whose retry is not due yet.
    pub retry_invoices: u64,
    /// When the first of these is due, by Redis' clock.
    pub next_due: Option<DateTime<Utc>>,
    /// When the oldest chunk that waits or is in flight came, by Redis' clock: admitted, or due to be retried.
    pub oldest: Option<DateTime<Utc>>,
    /// Whether the queue is paused.
    pub paused: bool,
    /// Invoices that ever left the backlog: recorded, unchanged or buried. Starts at 0 again where Redis lost its data.
    pub settled: u64,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How many invoices the batch brought.
    pub received: u64,
    /// How many were recorded.
    pub recorded: u64,
    /// How many changed nothing: same content, or a newer version stands.
    pub unchanged: u64,
    /// How many are buried.
    pub rejected: u64,
    /// Those that are buried, by position; at most 1,000.
    pub rejections: Vec<Rejection>,
    /// When the batch was admitted, by Redis' clock.
    pub received_at: DateTime<Utc>,
    /// When its last invoice was settled.
    pub finished_at: Option<DateTime<Utc>>,
    /// Name of the API key the batch came with, empty where there was none.
    pub caller: String,
}

/// One buried invoice, as its client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Position in the batch, from 0.
    pub position: u32,
    /// The invoice's number.
    pub number: String,
    /// Why, for programs: snake case.
    pub code: String,
    /// Why, for operators: English.
    pub detail: String,
}

impl Queue {
    /// How much work there is. A queue nobody has used yet is empty.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; an error is never a number.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        let keys = self.keys();
        let mut call = self.scripts().backlog.prepare_invoke();
        for key in [&keys.backlog, &keys.stream, &keys.dead, &keys.retry, &keys.paused, &keys.settled] {
            call.key(key);
        }
        let believed = self.reach().believed_silence(Instant::now(), self.lease_time());
        call.arg(GROUP).arg(NOBODY).arg(believed);
        let looked: RedisResult<Looked> = call.invoke_async(&mut self.connection()).await;
        self.reach().heard(looked.is_ok(), Instant::now(), self.lease_time());
        let (invoices, chunks, in_flight, busy_consumers, dead, retry_invoices, next_due, oldest, paused, settled) =
            looked?;
        Ok(Backlog {
            invoices,
            waiting_chunks: chunks.saturating_sub(in_flight),
            in_flight_chunks: in_flight,
            busy_consumers,
            dead,
            retry_invoices,
            next_due: next_due.and_then(|millis| DateTime::from_timestamp_millis(millis as i64)),
            oldest: oldest.and_then(|id| DateTime::from_timestamp_millis(i64::try_from(id.millis).ok()?)),
            paused,
            settled,
        })
    }

    /// What became of a batch, or None where it was never admitted or was settled more than 24 h ago.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn status(&self, batch: Uuid) -> Result<Option<Status>, Error> {
        let (status, rejections): (Option<Vec<u8>>, Lines) = redis::pipe()
            .atomic()
            .get(self.keys().lote(batch))
            .hgetall(self.keys().rejected(batch))
            .query_async(&mut self.connection())
            .await?;
        Ok(status.as_deref().and_then(parse).map(|status| Status { rejections: list(rejections), ..status }))
    }
}

/// What `backlog.lua` returns.
type Looked = (u64, u64, u64, u64, u64, u64, Option<f64>, Option<EntryId>, bool, u64);

/// The rejected as they are kept: the first's position, and a line of text.
type Lines = Vec<(u32, Vec<u8>)>;

/// Received, recorded, unchanged, rejected, when received and when finished (ms, 0 for not yet), and the caller.
fn parse(text: &[u8]) -> Option<Status> {
    let text = std::str::from_utf8(text).ok()?;
    let mut fields = text.splitn(7, ' ');
    let mut number = || fields.next()?.parse::<u64>().ok();
    let [received, recorded, unchanged, rejected, received_at, finished_at] =
        [number()?, number()?, number()?, number()?, number()?, number()?];
    let time = |millis: u64| DateTime::from_timestamp_millis(i64::try_from(millis).ok()?);
    Some(Status {
        received,
        recorded,
        unchanged,
        rejected,
        rejections: Vec::new(),
        received_at: time(received_at)?,
        finished_at: time(finished_at).filter(|_| finished_at > 0),
        caller: fields.next()?.to_owned(),
    })
}

/// One line stands for all invoices of a damaged chunk; each is listed.
fn list(lines: Lines) -> Vec<Rejection> {
    let mut rejections: Vec<Rejection> =
        lines.iter().flat_map(|(position, line)| rejections(*position, line)).collect();
    rejections.sort_by_key(|rejection| rejection.position);
    rejections.truncate(MAX_REJECTIONS as usize);
    rejections
}

/// A line holds how many invoices, number, code and detail, with U+0000 between them.
fn rejections(position: u32, line: &[u8]) -> Vec<Rejection> {
    let line = String::from_utf8_lossy(line);
    let mut texts = line.splitn(4, '\0');
    let count: usize = texts.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    let mut text = || texts.next().unwrap_or_default().to_owned();
    let first = Rejection { position, number: text(), code: text(), detail: text() };
    (position..).take(count).map(|position| Rejection { position, ..first.clone() }).collect()
}
