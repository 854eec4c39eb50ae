//! What a handler is: the work itself, without the queue around it.

use std::error::Error;
use std::future::Future;

use chrono::{DateTime, Utc};
use tracing::Span;
use uuid::Uuid;

use crate::port::Seen;

/// Deals with the invoices of chunks. The worker leases, retries, settles and drains around it.
///
/// The same chunk can be delivered more than once, also at the same time to two workers: what a handler does must be
/// the same when done twice. The future may be dropped at any point, when the worker is told to end.
pub trait Handler: Send + Sync + 'static {
    /// Whether [`Handler::handle`] could succeed now. While it could not, nothing is leased.
    fn ready(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Deals with a set of chunks, and answers for each of them, in order. `Unavailable` means the whole set is to be
    /// given again: nothing is counted against it.
    fn handle(&self, set: &[Delivery<'_>]) -> impl Future<Output = Result<Vec<Answer>, Unavailable>> + Send;

    /// The payload cut into payloads of one invoice each, in order; none where it cannot be.
    ///
    /// Asked for when a chunk's workers died: an invoice that kills whoever handles it is found by handling each alone.
    fn split(&self, payload: &[u8]) -> Option<Vec<Vec<u8>>> {
        let _ = payload;
        None
    }
}

/// A chunk as its handler sees it.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The invoices, encoded as they were admitted.
    pub payload: &'a [u8],
    /// How many invoices the payload is said to hold.
    pub count: u32,
    /// The batch that brought them.
    pub batch: Uuid,
    /// The place of the first invoice in its batch, from 0.
    pub position: u32,
    /// The version of the first invoice; invoice i has this plus i.
    pub version: i64,
    /// When the batch was admitted.
    pub received_at: DateTime<Utc>,
    /// How often the chunk has been delivered, this time included.
    pub deliveries: u32,
    /// How many attempts at its invoices have failed.
    pub attempts: u32,
    /// The chunk's `process` span, disabled where its batch is not sampled.
    pub span: &'a Span,
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Delivery")
            .field("batch", &self.batch)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<'a> Delivery<'a> {
    pub(crate) fn of(seen: Seen<'a>, span: &'a Span) -> Self {
        let Seen { payload, count, batch, position, version, received_at, deliveries, attempts, .. } = seen;
        Self { payload, count, batch, position, version, received_at, deliveries, attempts, span }
    }
}

/// What a handler says of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A verdict on each of its invoices, in order.
    Verdicts(Vec<Verdict>),
    /// It cannot be read and never will: it is buried whole, with its bytes.
    Damaged {
        /// Why, in words that do not quote it.
        reason: String,
    },
    /// It was written for a newer program: it goes back untouched.
    Newer,
}

/// What became of one invoice.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The effect stands.
    Recorded,
    /// There was nothing to do: it stood already, or something newer does.
    Unchanged,
    /// It is refused for good, and is buried alone.
    Rejected {
        /// The invoice's number.
        number: String,
        /// Why, for programs: a name in snake case.
        code: String,
        /// Why, in words for operators: no secrets, no contents.
        detail: String,
        /// A chunk of this invoice alone, to be tried again some day.
        payload: Vec<u8>,
    },
    /// It did not succeed this time. It is tried again after 1 s, doubling to 60 s, and buried at its tenth attempt.
    Failed {
        /// The invoice's number.
        number: String,
        /// Why, for programs: a name in snake case.
        code: String,
        /// Why, in words for operators: no secrets, no contents.
        detail: String,
        /// A chunk of this invoice alone, for the next attempt.
        payload: Vec<u8>,
    },
    /// It cannot be dealt with just now, and that is none of its doing: it is tried again after 15 s, and not counted.
    Postponed {
        /// A chunk of this invoice alone, for later.
        payload: Vec<u8>,
    },
}

impl std::fmt::Debug for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Recorded => "Recorded",
            Self::Unchanged => "Unchanged",
            Self::Rejected { .. } => "Rejected",
            Self::Failed { .. } => "Failed",
            Self::Postponed { .. } => "Postponed",
        })
    }
}

/// What the handler works with is away. The whole set is to be tried again later.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unavailable(#[from] Box<dyn Error + Send + Sync>);

impl Unavailable {
    /// Wraps what went wrong. Its text is logged and shown by `/readyz`: no secrets, no contents.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
