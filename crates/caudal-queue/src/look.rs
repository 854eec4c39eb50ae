//! Looking: how much work there is, and what became of a batch.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use redis::cmd;
use uuid::Uuid;

use crate::{
    Error, Queue,
    queue::{GROUP, NOBODY},
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
    /// Workers that have at least one chunk.
    pub busy_consumers: u64,
    /// Dead letters.
    pub dead: u64,
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
    /// Why, in words.
    pub reason: String,
}

impl Queue {
    /// How much work there is. A queue nobody has used yet is empty.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; an error is never a number.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        let keys = self.keys();
        let mut call = self.scripts().backlog.prepare_invoke();
        call.key(&keys.backlog).key(&keys.stream).key(&keys.dead).arg(GROUP).arg(NOBODY);
        let (invoices, chunks, in_flight, busy_consumers, dead): (u64, u64, u64, u64, u64) =
            call.invoke_async(&mut self.connection()).await?;
        Ok(Backlog {
            invoices,
            waiting_chunks: chunks.saturating_sub(in_flight),
            in_flight_chunks: in_flight,
            busy_consumers,
            dead,
        })
    }

    /// What became of a batch, or None where it was never admitted or was settled more than 24 h ago.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn status(&self, batch: Uuid) -> Result<Option<Status>, Error> {
        let fields: HashMap<String, Vec<u8>> =
            cmd("HGETALL").arg(self.keys().lote(batch)).query_async(&mut self.connection()).await?;
        Ok((!fields.is_empty()).then(|| status(&fields)))
    }
}

fn status(fields: &HashMap<String, Vec<u8>>) -> Status {
    let number = |name: &str| text(fields, name).and_then(|text| text.parse::<u64>().ok());
    let time = |name: &str| text(fields, name).and_then(|text| DateTime::from_timestamp_millis(text.parse().ok()?));
    let mut rejections: Vec<Rejection> = fields.iter().filter_map(|(name, value)| rejection(name, value)).collect();
    rejections.sort_by_key(|rejection| rejection.position);
    Status {
        received: number("n").unwrap_or_default(),
        recorded: number("o").unwrap_or_default(),
        unchanged: number("u").unwrap_or_default(),
        rejected: number("x").unwrap_or_default(),
        rejections,
        received_at: time("r").unwrap_or_default(),
        finished_at: time("f"),
        caller: text(fields, "c").unwrap_or_default().to_owned(),
    }
}

fn text<'a>(fields: &'a HashMap<String, Vec<u8>>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(fields.get(name)?).ok()
}

/// A rejected invoice is the field `x<position>` with its number, U+0000 and the reason.
fn rejection(name: &str, value: &[u8]) -> Option<Rejection> {
    let position = name.strip_prefix('x')?.parse().ok()?;
    let (number, reason) = std::str::from_utf8(value).ok()?.split_once('\0')?;
    Some(Rejection { position, number: number.to_owned(), reason: reason.to_owned() })
}
