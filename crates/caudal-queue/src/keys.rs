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
    /// How many invoices ever left the backlog.
    pub(crate) settled: String,
    /// The last version given to an invoice.
    pub(crate) version: String,
    /// Stream of dead letters.
    pub(crate) dead: String,
    /// Sorted set of entries by the time their retry is due, in milliseconds.
    pub(crate) retry: String,
    /// Hash: how often suspect entries in the stream have been tried.
    pub(crate) deaths: String,
    /// Is there while the dead letters have reached their limit.
    pub(crate) shut: String,
    /// Is there while nothing is to be leased.
    pub(crate) paused: String,
    /// Sorted set of consumers by the time of their last heartbeat, in milliseconds.
    pub(crate) workers: String,
    /// Channel: published to when an admission, or a retry of dead letters, finds nothing waiting or in flight.
    pub(crate) wake: String,
}

impl Keys {
    pub(crate) fn new(queue: &Name) -> Self {
        let prefix = format!("caudal:{{{queue}}}:");
        Self {
            stream: format!("{prefix}stream"),
            backlog: format!("{prefix}backlog"),
            settled: format!("{prefix}settled"),
            version: format!("{prefix}version"),
            dead: format!("{prefix}dead"),
            retry: format!("{prefix}retry"),
            deaths: format!("{prefix}deaths"),
            shut: format!("{prefix}shut"),
            paused: format!("{prefix}paused"),
            workers: format!("{prefix}workers"),
            wake: format!("{prefix}wake"),
            prefix,
        }
    }

    /// Holds what is known of an idempotency key, for 24 h. Half of the digest tells keys apart; it stays binary, being most of
    /// what the key costs.
    pub(crate) fn idem(&self, digest: &[u8; 32]) -> Vec<u8> {
        self.binary("idem", digest.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// Holds a batch's status, until 24 h after its last invoice is settled.
    pub(crate) fn lote(&self, batch: Uuid) -> Vec<u8> {
        self.binary("lote", batch.as_bytes())
    }

    /// Lists a batch's buried invoices, for as long as its status stands.
    pub(crate) fn rejected(&self, batch: Uuid) -> Vec<u8> {
        self.binary("rejected", batch.as_bytes())
    }

    /// What the names of all of [`Keys::rejected`] begin with, before the batch's 16 bytes.
    pub(crate) fn any_rejected(&self) -> String {
        format!("{}rejected:", self.prefix)
    }

    fn binary(&self, kind: &str, id: &[u8; 16]) -> Vec<u8> {
        let mut key = format!("{}{kind}:", self.prefix).into_bytes();
        key.extend_from_slice(id);
        key
    }
}
