//! One chunk in a worker's hands.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    EntryId,
    entry::{Content, Head, Raw, read},
    hand::{Grip, Hand},
};

/// One chunk that a consumer may work on while it renews the lease. It counts as held until this value is dropped.
///
/// An entry that was not written by an admission is leased too, so that the worker can bury it: its count is 0, its payload
/// all its bytes, its batch nil.
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
    /// When the batch was admitted, in milliseconds: its first version, so never earlier than a batch before it.
    pub received_at: DateTime<Utc>,
    /// The W3C trace context of the POST, when it is sampled.
    pub traceparent: Option<String>,
    /// How often the entry has been delivered, this time included; what was given back is not counted.
    pub deliveries: u32,
    /// Failed attempts of its invoices so far.
    pub attempts: u32,
    /// A part of a chunk whose workers died: to be handled alone.
    pub suspect: bool,
    pub(crate) newer: bool,
    /// A try of it may have been counted.
    pub(crate) tried: AtomicBool,
    pub(crate) consumer: Arc<str>,
    pub(crate) grip: Grip,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("id", &self.id).field("count", &self.count).finish_non_exhaustive()
    }
}

impl Lease {
    /// The head of an entry that holds `count` of this lease's invoices, from this position in the batch.
    pub(crate) fn part(&self, position: u32, count: u32) -> Head {
        Head {
            first_version: self.version.saturating_sub(self.position.into()),
            position,
            count,
            attempts: 0,
            suspect: false,
            batch: self.batch,
            traceparent: self.traceparent.clone(),
        }
    }
}

/// When a batch with this first version was received.
pub(crate) fn received_at(first_version: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(first_version / 1_000).unwrap_or_default()
}

/// Makes leases for one consumer.
#[derive(Debug, Clone)]
pub(crate) struct Lessor {
    pub(crate) consumer: Arc<str>,
    pub(crate) hand: Arc<Hand>,
}

impl Lessor {
    pub(crate) fn lease(&self, (id, fields): Raw, deliveries: u32) -> Lease {
        let (head, payload, newer) = match read(fields) {
            Content::Known(head, payload) => (head, payload, false),
            Content::Foreign(bytes) => (Head::default(), bytes, false),
            Content::Newer => (Head::default(), Vec::new(), true),
        };
        Lease {
            id,
            payload,
            count: head.count,
            batch: head.batch,
            position: head.position,
            version: head.first_version.saturating_add(head.position.into()),
            received_at: received_at(head.first_version),
            traceparent: head.traceparent,
            deliveries,
            attempts: head.attempts.into(),
            suspect: head.suspect,
            newer,
            tried: AtomicBool::new(false),
            consumer: Arc::clone(&self.consumer),
            grip: self.hand.take(id),
        }
    }
}
