//! The first stage: leases what is there, and takes over what others left.

use std::sync::Arc;
use std::time::Duration;

use caudal_telemetry::ops::Probes;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::gate::Gate;
use crate::handler::{Handler, Unavailable};
use crate::hands::Hands;
use crate::metrics::Metrics;
use crate::pace::{Appetite, Backoff, keep};
use crate::port::{Leased, Port, Reading};
use crate::shelf::Shelf;

/// How long one read, or one wait for room, lasts at most: a shutdown waits for it, and so does a retry that falls due.
const TURN: Duration = Duration::from_millis(500);
/// The handler must have said by then whether it is ready.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// How often consumers that are long gone are removed.
const TIDY: Duration = Duration::from_secs(600);

/// The stage, with what it remembers from turn to turn.
#[derive(Debug)]
pub(crate) struct Reader<Q: Port, R> {
    pub(crate) queue: Arc<Q>,
    pub(crate) consumer: R,
    pub(crate) hands: Hands<Q::Lease>,
    pub(crate) shelf: Arc<Shelf<Q::Lease>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) probes: Probes,
    pub(crate) metrics: Metrics,
    pub(crate) memory: Memory,
}

/// What a reader remembers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    appetite: Appetite,
    reclaimed: Option<Instant>,
    tidied: Option<Instant>,
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

impl<Q: Port, R: Reading<Lease = Q::Lease>> Reader<Q, R> {
    /// Fills the shelf until `shutdown`. Returns the consumer, which may still hold something.
    pub(crate) async fn run(mut self, handler: &impl Handler, shutdown: &CancellationToken) -> R {
        while !shutdown.is_cancelled() {
            self.probes.beat();
            match self.turn(handler, shutdown).await {
                Ok(()) => self.memory.backoff = Backoff::default(),
                Err(pause) => self.pause(&pause, shutdown).await,
            }
        }
        self.probes.unready("the worker ends");
        self.consumer
    }

    /// One turn: nothing is leased unless it could be handled.
    async fn turn(&mut self, handler: &impl Handler, shutdown: &CancellationToken) -> Result<(), Pause> {
        self.look(handler).await?;
        let Some(Ok(room)) = shutdown.run_until_cancelled(timeout(TURN, self.shelf.room())).await else {
            return Ok(());
        };
        let most = self.memory.appetite.chunks(room);
        self.consumer.promote().await?;
        let mut leases = self.take_over(most).await?;
        if leases.is_empty() {
            leases = self.consumer.lease(most, TURN).await?;
        }
        if leases.is_empty() {
            return Ok(());
        }
        self.stock(leases, room).await
    }

    /// Puts what was leased on the shelf, where `room` invoices are lacking; what is too much for it goes back.
    async fn stock(&mut self, mut leases: Vec<Q::Lease>, room: usize) -> Result<(), Pause> {
        let counts: Vec<_> = leases.iter().map(|lease| lease.seen().count).collect();
        self.memory.appetite = self.memory.appetite.after(&counts);
        let spare = leases.split_off(keep(&counts, room));
        let refused = self.shelf.put(self.hands.take(leases, self.queue.name()));
        if !refused.is_empty() {
            let leases: Vec<_> = refused.iter().map(|held| &held.lease).collect();
            self.queue.release(&leases).await?;
        }
        if !spare.is_empty() {
            self.queue.release_spare(&spare.iter().collect::<Vec<_>>()).await?;
            // They are the next, for whoever asks first.
            self.memory.reclaimed = None;
        }
        Ok(())
    }

    /// Makes sure that both sides are there, unless they have been heard of just now, and says so to the probes.
    async fn look(&mut self, handler: &impl Handler) -> Result<(), Pause> {
        if self.gate.is_open() {
            return Ok(());
        }
        self.queue.ready().await?;
        let ready = timeout(LOOK_LIMIT, handler.ready()).await;
        ready.map_err(|_| Unavailable::new("the handler does not say whether it is ready"))??;
        if self.memory.tidied.is_none_or(|at| at.elapsed() > TIDY) {
            self.tidy().await;
        }
        if !self.probes.is_ready() {
            info!(consumer = self.consumer.name(), "the worker is ready");
            self.memory.told.clear();
        }
        self.probes.ready();
        self.gate.open();
        Ok(())
    }

    /// Work does not wait for it to succeed.
    async fn tidy(&mut self) {
        if let Err(error) = self.queue.tidy().await {
            warn!(error = &error as &dyn std::error::Error, "workers that are gone stay on the queue's books for now");
        }
        self.memory.tidied = Some(Instant::now());
    }

    /// From time to time, first of all at the start: what dead workers and those that ended left behind.
    async fn take_over(&mut self, most: usize) -> Result<Vec<Q::Lease>, caudal_queue::Error> {
        let every = self.queue.lease_time() / 5;
        if self.memory.reclaimed.is_some_and(|at| at.elapsed() < every) {
            return Ok(Vec::new());
        }
        let reclaimed = self.consumer.reclaim(most).await?;
        for entry in &reclaimed.vanished {
            error!(chunk.id = %entry, "a chunk in flight was deleted from the queue: its invoices are lost");
        }
        self.metrics.reclaimed(reclaimed.leases.len());
        // More may be waiting where some were found: the next turn asks again.
        self.memory.reclaimed = reclaimed.leases.is_empty().then(Instant::now);
        Ok(reclaimed.leases)
    }

    async fn pause(&mut self, pause: &Pause, shutdown: &CancellationToken) {
        let reason = pause.to_string();
        if reason != self.memory.told {
            warn!(error = pause as &dyn std::error::Error, "the worker waits");
            self.memory.told.clone_from(&reason);
        }
        self.probes.unready(reason);
        self.gate.shut();
        shutdown.run_until_cancelled(sleep(self.memory.backoff.next())).await;
    }
}
