//! What becomes of a lease: renewed, settled or given back. Each change checks its owner in the script.

use crate::{
    Error, Lease, Queue,
    queue::{GROUP, KEPT, NOBODY},
};

/// How many rejections a batch's status lists.
const MAX_REJECTIONS: u32 = 1_000;
/// How many leases a silent consumer stays known.
const FORGOTTEN_AFTER: u32 = 4;

/// What became of a lease's invoices. Its numbers must add up to the lease's count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// How many were recorded.
    pub recorded: u32,
    /// How many changed nothing: same content, or a newer version stands.
    pub unchanged: u32,
    /// Those that are buried, each with its reason.
    pub rejected: Vec<Rejected>,
}

/// One invoice that is buried: it becomes a dead letter and appears in its batch's status.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Position in the batch, from 0.
    pub position: u32,
    /// The invoice's number, empty where it cannot be told. Shown to the client. Holds no U+0000.
    pub number: String,
    /// Why, in words. Shown to the client.
    pub reason: String,
    /// The bytes that can be tried again.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejected").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Settlement {
    fn count(&self) -> u64 {
        u64::from(self.recorded) + u64::from(self.unchanged) + self.rejected.len() as u64
    }
}

/// Whether a settlement took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The lease is ended and counted.
    Done,
    /// The lease is not this consumer's (any more): nothing was changed. Also the answer to a settlement asked again after
    /// its reply was lost: then the lease was ended the first time. Either way there is nothing left to do.
    Lost,
}

impl Queue {
    /// The heartbeat, to be sent every third of a lease time: renews the leases, all of one consumer, and returns those that
    /// went to another. Their work may go on; it will change nothing.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; call again, soon.
    pub async fn renew<'a>(&self, leases: &[&'a Lease]) -> Result<Vec<&'a Lease>, Error> {
        let Some(first) = leases.first() else {
            return Ok(Vec::new());
        };
        let mut call = self.scripts().renew.prepare_invoke();
        call.key(&self.keys().stream)
            .key(&self.keys().workers)
            .arg(GROUP)
            .arg(&*first.consumer)
            .arg((self.lease_time() * FORGOTTEN_AFTER).as_millis() as u64);
        for lease in leases {
            call.arg(&lease.id.0);
        }
        let answer: redis::RedisResult<Vec<String>> = call.invoke_async(&mut self.connection()).await;
        match answer {
            Err(error) if error.code() == Some("NOGROUP") => Ok(leases.to_vec()),
            other => {
                let lost = other?;
                Ok(leases.iter().copied().filter(|lease| lost.contains(&lease.id.0)).collect())
            }
        }
    }

    /// Ends a lease after its invoices have been dealt with for good. May be asked again when the answer was lost.
    ///
    /// # Errors
    /// `Unavailable` (it may have taken effect), `Misconfigured`, and `Miscounted` for a caller's mistake.
    pub async fn settle(&self, lease: &Lease, settlement: &Settlement) -> Result<Settled, Error> {
        let (named, held) = (settlement.count(), u64::from(lease.count));
        if named != held {
            return Err(Error::Miscounted { named, held });
        }
        let keys = self.keys();
        let mut call = self.scripts().settle.prepare_invoke();
        call.key(&keys.stream)
            .key(&keys.backlog)
            .key(keys.lote(lease.batch))
            .key(&keys.dead)
            .arg(GROUP)
            .arg(&*lease.consumer)
            .arg(&lease.id.0)
            .arg(lease.count)
            .arg(settlement.recorded)
            .arg(settlement.unchanged)
            .arg(lease.batch.as_bytes())
            .arg(lease.received_at.timestamp_millis())
            .arg(KEPT.as_secs())
            .arg(MAX_REJECTIONS);
        for Rejected { position, number, reason, payload } in &settlement.rejected {
            let version = lease.version + i64::from(*position) - i64::from(lease.position);
            call.arg(*position).arg(version).arg(number).arg(reason).arg(payload);
        }
        let owned = owned(call.invoke_async(&mut self.connection()).await)?;
        Ok(if owned { Settled::Done } else { Settled::Lost })
    }

    /// Gives a lease back untouched: any other worker may take it at once, this consumer only after a lease time. A lease that
    /// is not this consumer's any more is left alone.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`. Without a release the lease runs out by itself.
    pub async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let mut call = self.scripts().release.prepare_invoke();
        call.key(&self.keys().stream).arg(GROUP).arg(&*lease.consumer).arg(&lease.id.0).arg(NOBODY);
        owned(call.invoke_async(&mut self.connection()).await)?;
        lease.grip.give_back();
        Ok(())
    }
}

/// A queue that is not there (any more) holds no lease.
fn owned(answer: redis::RedisResult<bool>) -> Result<bool, Error> {
    match answer {
        Err(error) if error.code() == Some("NOGROUP") => Ok(false),
        other => Ok(other?),
    }
}
