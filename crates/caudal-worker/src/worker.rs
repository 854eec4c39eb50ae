//! The worker's loop: lease what is there, have it handled, and take over what others left.

use std::sync::Arc;
use std::time::Duration;

use caudal_queue::{Consumer, LONGEST_BLOCK, Lease, Queue};
use caudal_telemetry::ops::Probes;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::handler::{Handler, Unavailable};
use crate::hands::{Hands, Held, heartbeat};
use crate::metrics::Metrics;
use crate::pace::{Appetite, Backoff, sets};
use crate::process::Processor;

/// What is in flight when the end is asked for has this long to be finished.
const GRACE: Duration = Duration::from_secs(20);
/// The handler and Redis are looked at again after this long without a sign of them.
const LOOK: Duration = Duration::from_secs(2);
/// The loop turns at least this often, unless the handler hangs.
const STALLED: Duration = Duration::from_secs(90);

/// A worker of one queue.
#[derive(Debug)]
pub struct Worker<H> {
    processor: Processor<H>,
    consumer: Consumer,
    hands: Hands,
    appetite: Appetite,
    looked: Option<Instant>,
    reclaimed: Option<Instant>,
    backoff: Backoff,
    /// Why it waits, as last told in the log; empty while it does not.
    told: String,
}

/// Why the loop has to pause.
#[derive(Debug, thiserror::Error)]
enum Pause {
    #[error(transparent)]
    Queue(#[from] caudal_queue::Error),
    #[error(transparent)]
    Handler(#[from] Unavailable),
}

impl<H: Handler> Worker<H> {
    /// A worker that has the handler deal with the queue's chunks. `pod` names where it runs, for people; no two workers
    /// share a name. Connects nothing.
    pub fn new(queue: &Queue, pod: &str, handler: H) -> Self {
        let probes = Probes::watching(STALLED);
        let hurry = CancellationToken::new();
        Self {
            consumer: queue.consumer(&format!("{pod}/{}", Uuid::new_v4().simple())),
            processor: Processor { queue: queue.clone(), handler, probes, metrics: Metrics::default(), hurry },
            hands: Hands::default(),
            appetite: Appetite::default(),
            looked: None,
            reclaimed: None,
            backoff: Backoff::default(),
            told: String::new(),
        }
    }

    /// What `/healthz` and `/readyz` answer for this worker: alive while its loop turns, also when it only waits for what is
    /// away; ready while it reaches both the queue and what its handler works with.
    pub fn probes(&self) -> Probes {
        self.processor.probes.clone()
    }

    /// What it counts; to be registered before it runs.
    pub fn metrics(&self) -> Metrics {
        self.processor.metrics.clone()
    }

    /// Works until `shutdown`; then finishes what is in flight, for at most 20 s, and gives the rest back. Outages of Redis
    /// or of the handler's backend are waited out.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let stop = CancellationToken::new();
        let beating = tokio::spawn(heartbeat(self.processor.queue.clone(), self.hands.clone(), stop.clone()));
        let hurrying = tokio::spawn(hurry_up(shutdown.clone(), self.processor.hurry.clone(), stop.clone()));
        while !shutdown.is_cancelled() {
            self.processor.probes.beat();
            match self.turn(&shutdown).await {
                Ok(()) => self.backoff = Backoff::default(),
                Err(pause) => self.pause(&pause, &shutdown).await,
            }
        }
        self.processor.probes.unready("the worker ends");
        stop.cancel();
        for task in [beating, hurrying] {
            if let Err(failed) = task.await {
                error!(error = &failed as &dyn std::error::Error, "a task of the worker failed");
            }
        }
    }

    /// One turn: nothing is leased unless it could be handled.
    async fn turn(&mut self, shutdown: &CancellationToken) -> Result<(), Pause> {
        self.look().await?;
        let mut leases = self.take_over().await?;
        if leases.is_empty() {
            leases = self.consumer.lease(self.appetite.chunks(), LONGEST_BLOCK).await?;
        }
        if leases.is_empty() {
            return Ok(());
        }
        let counts: Vec<_> = leases.iter().map(|lease| lease.count).collect();
        self.appetite = self.appetite.after(&counts);
        let held = self.hands.take(leases, self.processor.queue.name().as_str());
        self.work(held, &counts, shutdown).await?;
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Works through the leases set by set; after the end was asked for, or when the handler has nothing to work with, the
    /// sets not begun go back.
    async fn work(
        &self,
        held: Vec<Arc<Held>>,
        counts: &[u32],
        shutdown: &CancellationToken,
    ) -> Result<(), Unavailable> {
        let mut rest = held;
        for set in sets(counts) {
            let after = rest.split_off(set.len());
            let done = if shutdown.is_cancelled() {
                self.processor.give_back(&rest).await;
                Ok(())
            } else {
                self.processor.process(rest).await
            };
            rest = after;
            if done.is_err() {
                self.processor.give_back(&rest).await;
                return done;
            }
        }
        Ok(())
    }

    /// Makes sure that both sides are there, unless they have been heard of just now, and says so to the probes.
    async fn look(&mut self) -> Result<(), Pause> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(());
        }
        self.processor.queue.ready().await?;
        self.processor.handler.ready().await?;
        if !self.processor.probes.is_ready() {
            info!(consumer = self.consumer.name(), "the worker is ready");
            self.told.clear();
        }
        self.processor.probes.ready();
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// From time to time, first of all at the start: what dead workers and those that ended left behind.
    async fn take_over(&mut self) -> Result<Vec<Lease>, caudal_queue::Error> {
        let every = self.processor.queue.lease_time() / 5;
        if self.reclaimed.is_some_and(|at| at.elapsed() < every) {
            return Ok(Vec::new());
        }
        let reclaimed = self.consumer.reclaim(self.appetite.chunks()).await?;
        for entry in &reclaimed.vanished {
            error!(chunk.id = %entry, "a chunk in flight was deleted from the queue: its invoices are lost");
        }
        self.processor.metrics.reclaimed(reclaimed.leases.len());
        // More may be waiting where some were found: the next turn asks again.
        self.reclaimed = reclaimed.leases.is_empty().then(Instant::now);
        Ok(reclaimed.leases)
    }

    async fn pause(&mut self, pause: &Pause, shutdown: &CancellationToken) {
        let reason = pause.to_string();
        if reason != self.told {
            warn!(error = pause as &dyn std::error::Error, "the worker waits");
            self.told.clone_from(&reason);
        }
        self.processor.probes.unready(reason);
        self.looked = None;
        shutdown.run_until_cancelled(sleep(self.backoff.next())).await;
    }
}

/// Cancels `hurry` when the grace after `shutdown` is over.
async fn hurry_up(shutdown: CancellationToken, hurry: CancellationToken, stop: CancellationToken) {
    let grace = async {
        shutdown.cancelled().await;
        sleep(GRACE).await;
        hurry.cancel();
    };
    stop.run_until_cancelled(grace).await;
}
