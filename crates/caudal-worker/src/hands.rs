//! What the worker has in its hands, and the heartbeat that keeps it there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use caudal_queue::{Lease, Queue};
use caudal_telemetry::trace;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Span, info_span};

use crate::handler::Delivery;

/// A lease that is renewed for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) lease: Lease,
    /// From lease to ack, in the trace of the POST.
    pub(crate) span: Span,
    lost: AtomicBool,
}

impl Held {
    fn new(lease: Lease, queue: &str) -> Self {
        let span = process_span(&lease, queue);
        Self { lease, span, lost: AtomicBool::new(false) }
    }

    /// Whether the lease is not ours any more: another worker has the chunk, or it is settled.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn delivery(&self) -> Delivery<'_> {
        Delivery::of(&self.lease, &self.span)
    }
}

fn process_span(lease: &Lease, queue: &str) -> Span {
    let Some(traceparent) = &lease.traceparent else { return Span::none() };
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
    );
    trace::set_parent(&span, traceparent);
    span
}

/// All leases of the worker. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hands {
    held: Arc<Mutex<Vec<Weak<Held>>>>,
}

impl Hands {
    /// Takes leases into the hands; each leaves them when it is dropped.
    pub(crate) fn take(&self, leases: Vec<Lease>, queue: &str) -> Vec<Arc<Held>> {
        let taken: Vec<_> = leases.into_iter().map(|lease| Arc::new(Held::new(lease, queue))).collect();
        self.lock().extend(taken.iter().map(Arc::downgrade));
        taken
    }

    fn held(&self) -> Vec<Arc<Held>> {
        let mut held = self.lock();
        held.retain(|held| held.strong_count() > 0);
        held.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews what the hands hold three times in a lease's time, and marks what went to another, until `stop`.
pub(crate) async fn heartbeat(queue: Queue, hands: Hands, stop: CancellationToken) {
    let pause = queue.lease_time() / 3;
    let mut next = pause;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(next) => {}
        }
        next = match renew(&queue, &hands).await {
            Ok(()) => pause,
            Err(_) => pause / 5,
        };
    }
}

async fn renew(queue: &Queue, hands: &Hands) -> Result<(), caudal_queue::Error> {
    let held = hands.held();
    let leases: Vec<_> = held.iter().filter(|held| !held.is_lost()).map(|held| &held.lease).collect();
    let lost = queue.renew(&leases).await?;
    for held in &held {
        if lost.iter().any(|lease| lease.id == held.lease.id) {
            held.lost.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}
