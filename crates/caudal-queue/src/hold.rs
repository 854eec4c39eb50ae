//! What is done with leases on the way: renewed, given back, split, counted.

use std::sync::atomic::Ordering;

use crate::{
    Chunk, EntryId, Error, Lease, Queue, Settled,
    entry::Head,
    queue::{GROUP, KEPT, NOBODY, or_if_no_group},
};

/// How many leases a silent consumer stays known.
pub(crate) const FORGOTTEN_AFTER: u32 = 4;
/// How many leases one call of a script deals with at most.
const LARGEST_CALL: usize = 1_000;

impl Queue {
    /// The heartbeat, to be sent every third of a lease time: renews the leases, all of one consumer, and returns those that
    /// went to another. Their work may go on; it will change nothing.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; call again, soon.
    pub async fn renew<'a>(&self, leases: &[&'a Lease]) -> Result<Vec<&'a Lease>, Error> {
        let forgotten_after = (self.lease_time() * FORGOTTEN_AFTER).as_millis() as u64;
        let mut lost = Vec::new();
        for part in leases.chunks(LARGEST_CALL) {
            let Some((consumer, first, last)) = range(part) else { continue };
            let mut call = self.scripts().renew.prepare_invoke();
            call.key(&self.keys().stream).key(&self.keys().workers);
            call.arg(GROUP).arg(consumer).arg(first).arg(last).arg(forgotten_after);
            for lease in part {
                call.arg(lease.id);
            }
            let all = part.iter().map(|lease| lease.id).collect();
            let gone: Vec<EntryId> = or_if_no_group(call.invoke_async(&mut self.connection()).await, all)?;
            lost.extend(part.iter().filter(|lease| gone.contains(&lease.id)));
        }
        Ok(lost)
    }

    /// Gives leases back untouched, all of one consumer: any other worker may take them at once, this consumer only after a
    /// lease time. Neither the delivery nor a try that was marked is counted. A lease that is not this consumer's any more is
    /// left alone.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`. Without a release the leases run out by themselves.
    pub async fn release(&self, leases: &[&Lease]) -> Result<(), Error> {
        self.release_spare(leases).await?;
        leases.iter().for_each(|lease| lease.grip.give_back());
        Ok(())
    }

    /// As [`Queue::release`], of leases that are too many at a time: once they are dropped, this consumer too may take them
    /// again at once.
    ///
    /// # Errors
    /// Those of [`Queue::release`].
    pub async fn release_spare(&self, leases: &[&Lease]) -> Result<(), Error> {
        for part in leases.chunks(LARGEST_CALL) {
            let Some((consumer, first, last)) = range(part) else { continue };
            let (tried, untouched): (Vec<&Lease>, _) =
                part.iter().copied().partition(|lease| lease.tried.load(Ordering::Relaxed));
            let mut call = self.scripts().release.prepare_invoke();
            call.key(&self.keys().stream).key(&self.keys().deaths);
            call.arg(GROUP).arg(consumer).arg(first).arg(last).arg(NOBODY).arg(tried.len());
            for lease in tried.into_iter().chain(untouched) {
                call.arg(lease.id);
            }
            let _: u64 = or_if_no_group(call.invoke_async(&mut self.connection()).await, 0)?;
        }
        Ok(())
    }

    /// Puts the parts, in order, in the place of a lease's chunk: each waits as a suspect, with batch, versions and attempts as
    /// they were. `Lost` also when asked again after a lost reply.
    ///
    /// # Errors
    /// `Unavailable` (it may have taken effect), `Misconfigured`, and `Miscounted` for a caller's mistake.
    pub async fn split(&self, lease: &Lease, parts: &[Chunk]) -> Result<Settled, Error> {
        let named = parts.iter().map(|part| u64::from(part.count)).sum();
        let held = u64::from(lease.count);
        if named != held {
            return Err(Error::Miscounted { named, held });
        }
        let mut call = self.scripts().split.prepare_invoke();
        call.key(&self.keys().stream).key(&self.keys().deaths);
        call.arg(GROUP).arg(&*lease.consumer).arg(lease.id);
        let mut position = lease.position;
        for Chunk { payload, count } in parts {
            let attempts = u16::try_from(lease.attempts).unwrap_or(u16::MAX);
            let head = Head { attempts, suspect: true, ..lease.part(position, *count) };
            call.arg(head.encode(payload));
            position += count;
        }
        let done: bool = or_if_no_group(call.invoke_async(&mut self.connection()).await, false)?;
        Ok(done.into())
    }

    /// Counts a try of a suspect chunk, before the try, because its worker may die of it. Returns how often it has been tried,
    /// this time included, or 0 where the lease is not this consumer's any more. What is settled or split is forgotten, and the
    /// try of what is released: nobody has died of it.
    ///
    /// # Errors
    /// `Unavailable` (it may have been counted) and `Misconfigured`.
    pub async fn mark(&self, lease: &Lease) -> Result<u32, Error> {
        // Before the call, whose answer may get lost.
        lease.tried.store(true, Ordering::Relaxed);
        let mut call = self.scripts().mark.prepare_invoke();
        call.key(&self.keys().stream).key(&self.keys().deaths);
        call.arg(GROUP).arg(&*lease.consumer).arg(lease.id).arg(KEPT.as_secs());
        Ok(or_if_no_group(call.invoke_async(&mut self.connection()).await, 0)?)
    }
}

/// Whose the leases are, and between which entries they lie.
fn range<'a>(leases: &[&'a Lease]) -> Option<(&'a str, EntryId, EntryId)> {
    let ids = || leases.iter().map(|lease| lease.id);
    Some((&*leases.first()?.consumer, ids().min()?, ids().max()?))
}
