//! What the worker has in its hands, and the heartbeat that keeps it there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use caudal_queue::EntryId;
use caudal_telemetry::trace;
use tokio::time::sleep;
use tracing::{Span, info_span};

use crate::handler::Delivery;
use crate::port::{Leased, Port, Seen};

/// The workers of a chunk that is delivered so often died, or were stopped for longer than a lease.
const DOUBTFUL: u32 = 3;

/// A lease that is renewed for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Held<L> {
    pub(crate) lease: L,
    /// From lease to ack, in the trace of the POST.
    pub(crate) span: Span,
    lost: AtomicBool,
}

impl<L: Leased> Held<L> {
    fn new(lease: L, queue: &str) -> Self {
        let span = process_span(&lease.seen(), queue);
        Self { lease, span, lost: AtomicBool::new(false) }
    }

    /// Whether the lease is not ours any more: another worker has the chunk, or it is settled.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Notes that it is.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn id(&self) -> EntryId {
        self.lease.seen().id
    }

    pub(crate) fn count(&self) -> usize {
        self.lease.seen().count as usize
    }

    /// Whether it may have killed its workers: it is handled alone, or in parts.
    pub(crate) fn is_doubtful(&self) -> bool {
        let Seen { suspect, deliveries, .. } = self.lease.seen();
        suspect || deliveries >= DOUBTFUL
    }

    pub(crate) fn delivery(&self) -> Delivery<'_> {
        Delivery::of(self.lease.seen(), &self.span)
    }
}

fn process_span(lease: &Seen<'_>, queue: &str) -> Span {
    let Some(traceparent) = lease.traceparent else { return Span::none() };
    let span = info_span!(
        parent: None,
        "process",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        messaging.system = "redis",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = queue,
        messaging.message.id = %lease.id,
        messaging.batch.message_count = lease.count,
        caudal.batch.id = %lease.batch,
        caudal.deliveries = lease.deliveries,
        caudal.attempts = lease.attempts,
    );
    trace::set_parent(&span, traceparent);
    span
}

/// All leases of the worker. Clones share them.
#[derive(Debug)]
pub(crate) struct Hands<L> {
    held: Arc<Mutex<Vec<Weak<Held<L>>>>>,
}

impl<L> Clone for Hands<L> {
    fn clone(&self) -> Self {
        Self { held: Arc::clone(&self.held) }
    }
}

impl<L> Default for Hands<L> {
    fn default() -> Self {
        Self { held: Arc::default() }
    }
}

impl<L: Leased> Hands<L> {
    /// Takes leases into the hands; each leaves them when it is dropped.
    pub(crate) fn take(&self, leases: Vec<L>, queue: &str) -> Vec<Arc<Held<L>>> {
        let taken: Vec<_> = leases.into_iter().map(|lease| Arc::new(Held::new(lease, queue))).collect();
        let mut held = self.lock();
        held.retain(|held| held.strong_count() > 0);
        held.extend(taken.iter().map(Arc::downgrade));
        taken
    }

    fn held(&self) -> Vec<Arc<Held<L>>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Held<L>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews what the hands hold three times in a lease's time, and marks what went to another, for ever.
pub(crate) async fn heartbeat<Q: Port>(queue: Arc<Q>, hands: Hands<Q::Lease>) {
    let pause = queue.lease_time() / 3;
    let mut next = pause;
    loop {
        sleep(next).await;
        next = match renew(&*queue, &hands).await {
            Ok(()) => pause,
            Err(_) => pause / 5,
        };
    }
}

async fn renew<Q: Port>(queue: &Q, hands: &Hands<Q::Lease>) -> Result<(), caudal_queue::Error> {
    let held = hands.held();
    let leases: Vec<_> = held.iter().filter(|held| !held.is_lost()).map(|held| &held.lease).collect();
    if leases.is_empty() {
        return Ok(());
    }
    let lost = queue.renew(&leases).await?;
    for held in held.iter().filter(|held| lost.contains(&held.id())) {
        held.lose();
    }
    Ok(())
}
