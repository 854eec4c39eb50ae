//! The names of the keys. All carry the hash tag `{queue}`, so that a script's keys share one slot.

use uuid::Uuid;

use crate::Name;

/// The keys of one queue.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: String,
    /// The stream: one entry for each chunk that waits or is in flight.
    pub(crate) stream: String,
    /// How many invoices wait, are in flight or are to be retried.
    pub(crate) backlog: String,
    /// The last version given to an invoice.
    pub(crate) version: String,
    /// Stream of dead letters.
    pub(crate) dead: String,
    /// Sorted set of consumers by the time of their last heartbeat, in milliseconds.
    pub(crate) workers: String,
    /// Channel: published to when an admission finds nothing waiting or in flight.
    pub(crate) wake: String,
}

impl Keys {
    pub(crate) fn new(queue: &Name) -> Self {
        let prefix = format!("caudal:{{{queue}}}:");
        Self {
            stream: format!("{prefix}stream"),
            backlog: format!("{prefix}backlog"),
            version: format!("{prefix}version"),
            dead: format!("{prefix}dead"),
            workers: format!("{prefix}workers"),
            wake: format!("{prefix}wake"),
            prefix,
        }
    }

    /// Holds what is known of an idempotency key, for 24 h. The digest stays binary: it is most of what the key costs.
    pub(crate) fn idem(&self, digest: &[u8; 32]) -> Vec<u8> {
        let mut key = format!("{}idem:", self.prefix).into_bytes();
        key.extend_from_slice(digest);
        key
    }

    /// Holds a batch's status, until 24 h after its last invoice is settled.
    pub(crate) fn lote(&self, batch: Uuid) -> String {
        format!("{}lote:{batch}", self.prefix)
    }
}
