//! What one POST brings, and what becomes of it at the door.

use uuid::Uuid;

/// What one POST brings. Its chunks hold its invoices in order, without gaps.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The batch's id, made by the caller; the same in every attempt to admit this batch.
    pub id: Uuid,
    /// SHA-256 of the API key's name and the client's idempotency key.
    pub key: [u8; 32],
    /// SHA-256 of the canonical invoices.
    pub fingerprint: [u8; 32],
    /// The chunks; none for an empty batch.
    pub chunks: Vec<Chunk>,
    /// The W3C trace context of the POST, when it is sampled.
    pub traceparent: Option<String>,
    /// Name of the API key the POST came with, empty where there are none; kept so that only its caller sees the status.
    pub caller: String,
}

impl Batch {
    /// How many invoices the batch holds.
    pub fn count(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.count)).sum()
    }
}

/// At most 250 invoices of one batch: one entry of the stream. The queue never looks into the payload.
#[derive(Clone)]
pub struct Chunk {
    /// The invoices, encoded.
    pub payload: Vec<u8>,
    /// How many invoices the payload holds.
    pub count: u32,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk").field("count", &self.count).finish_non_exhaustive()
    }
}

/// What became of a batch at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Redis holds the key, every chunk and the status. Also the answer when this very batch had been admitted before and
    /// only the reply was lost.
    Accepted {
        /// The batch's id, as given.
        id: Uuid,
    },
    /// The key is known. Nothing was changed.
    Duplicate {
        /// Id of the batch that took the key; none for a key taken over from another program.
        id: Option<Uuid>,
        /// How many invoices that batch brought, 0 where it is not known.
        count: u64,
        /// Whether that batch is known to have brought the same invoices, told by 16 bytes of their fingerprints.
        same: bool,
    },
    /// The batch would lift the backlog over its limit, or the dead letters have reached theirs. Nothing was changed.
    Full {
        /// How many invoices are waiting, in flight or to be retried.
        backlog: u64,
    },
}
