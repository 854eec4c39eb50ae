//! One chunk in a worker's hands.

use std::{collections::HashMap, fmt, sync::Arc};

use chrono::{DateTime, Utc};
use redis::{Value, from_redis_value, streams::StreamId};
use uuid::Uuid;

use crate::hand::{Grip, Hand};

/// Id of a stream entry, as Redis writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryId(pub(crate) String);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One chunk that a consumer may work on while it renews the lease. It counts as held until this value is dropped.
///
/// An entry that was not written by an admission is leased too, with empty or zero fields in place of what it lacks, so
/// that the worker can bury it.
pub struct Lease {
    /// The entry.
    pub id: EntryId,
    /// The invoices, encoded.
    pub payload: Vec<u8>,
    /// How many invoices the payload holds.
    pub count: u32,
    /// The batch the invoices came in.
    pub batch: Uuid,
    /// Position of the first invoice in its batch, from 0.
    pub position: u32,
    /// Version of the first invoice; invoice i of the chunk has `version + i`.
    pub version: i64,
    /// When the batch was admitted, by Redis' clock, in milliseconds.
    pub received_at: DateTime<Utc>,
    /// The W3C trace context of the POST, when it is sampled.
    pub traceparent: Option<String>,
    /// How often the entry has been delivered, this time included; what was given back is not counted.
    pub deliveries: u32,
    pub(crate) consumer: Arc<str>,
    pub(crate) grip: Grip,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("id", &self.id).field("count", &self.count).finish_non_exhaustive()
    }
}

/// Makes leases for one consumer.
#[derive(Debug, Clone)]
pub(crate) struct Lessor {
    pub(crate) consumer: Arc<str>,
    pub(crate) hand: Arc<Hand>,
}

impl Lessor {
    pub(crate) fn lease(&self, entry: StreamId, deliveries: u32) -> Lease {
        let grip = self.hand.take(&entry.id);
        let mut fields = Fields(entry.map);
        let batch: Vec<u8> = fields.take("b").unwrap_or_default();
        let traceparent: Option<String> = fields.take("t");
        let received: i64 = fields.take("r").unwrap_or_default();
        Lease {
            id: EntryId(entry.id),
            payload: fields.take("p").unwrap_or_default(),
            count: fields.take("n").unwrap_or_default(),
            batch: Uuid::from_slice(&batch).unwrap_or_default(),
            position: fields.take("i").unwrap_or_default(),
            version: fields.take("v").unwrap_or_default(),
            received_at: DateTime::from_timestamp_millis(received).unwrap_or_default(),
            traceparent: traceparent.filter(|text| !text.is_empty()),
            deliveries,
            consumer: Arc::clone(&self.consumer),
            grip,
        }
    }
}

struct Fields(HashMap<String, Value>);

impl Fields {
    fn take<T: redis::FromRedisValue>(&mut self, name: &str) -> Option<T> {
        self.0.remove(name).and_then(|value| from_redis_value(value).ok())
    }
}
