//! The third stage: tells the queue what became of the chunks, a whole set in one call.

use std::sync::Arc;

use caudal_queue::{Chunk, Settled, Settlement};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::decision::Decision;
use crate::hands::Held;
use crate::metrics::Metrics;
use crate::pace::Backoff;
use crate::port::Port;
use crate::processor::End;

/// The stage.
#[derive(Debug)]
pub(crate) struct Settler<Q: Port> {
    pub(crate) queue: Arc<Q>,
    pub(crate) metrics: Metrics,
    /// The time to finish is over.
    pub(crate) hurry: CancellationToken,
}

type Open<L> = Vec<(Arc<Held<L>>, Settlement)>;

impl<Q: Port> Settler<Q> {
    /// Deals with what comes until nothing can come any more.
    pub(crate) async fn run(&self, mut ends: mpsc::Receiver<Vec<End<Q::Lease>>>) {
        while let Some(set) = ends.recv().await {
            let (mut open, mut back, mut split) = (Vec::new(), Vec::new(), Vec::new());
            for End { held, decision } in set {
                match decision {
                    Decision::Settle(settlement) => open.push((held, settlement)),
                    Decision::Release => back.push(held),
                    Decision::Split(parts) => split.push((held, parts)),
                }
            }
            self.settle(open).await;
            for (held, parts) in &split {
                self.split(held, parts).await;
            }
            let leases: Vec<_> = back.iter().map(|held| &held.lease).collect();
            if !leases.is_empty() {
                drop(self.queue.release(&leases).await);
            }
        }
    }

    /// Settles until Redis has heard of it, for a lease's time. Later another worker takes the chunks over, finds their
    /// work done, and settles them. After a refusal each is settled by itself, so that one does not keep the others.
    async fn settle(&self, mut open: Open<Q::Lease>) {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        let mut most = usize::MAX;
        loop {
            open.retain(|(held, _)| !held.is_lost());
            let tried = most.min(open.len());
            if tried == 0 {
                return;
            }
            let ends: Vec<_> = open.iter().take(tried).map(|(held, settlement)| (&held.lease, settlement)).collect();
            match self.queue.settle(&ends).await {
                Ok(settled) => {
                    self.count(&open, &settled);
                    open.drain(..tried);
                    continue;
                }
                Err(caudal_queue::Error::Unavailable(_)) => {}
                Err(error) => {
                    error!(error = &error as &dyn std::error::Error, "chunks cannot be settled");
                    most = 1;
                    open.rotate_left(1);
                }
            }
            let late = since.elapsed() >= self.queue.lease_time();
            if late || self.hurry.run_until_cancelled(sleep(backoff.next())).await.is_none() {
                warn!(chunks = open.len(), "chunks were handled; whether they were settled is not known here");
                return;
            }
        }
    }

    fn count(&self, open: &Open<Q::Lease>, settled: &[Settled]) {
        for ((_, settlement), settled) in open.iter().zip(settled) {
            if *settled == Settled::Done {
                self.metrics.settled(settlement);
            }
        }
    }

    /// Tried once: a chunk that is not split is delivered and split again.
    async fn split(&self, held: &Held<Q::Lease>, parts: &[Chunk]) {
        if let Err(error) = self.queue.split(&held.lease, parts).await {
            warn!(error = &error as &dyn std::error::Error, "a chunk could not be split now");
        }
    }
}
