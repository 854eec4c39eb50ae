//! One set of leases on its way from the handler to its end: settled, or given back.

use std::sync::Arc;
use std::time::Duration;

use caudal_queue::{Queue, Settled, Settlement};
use caudal_telemetry::ops::Probes;
use chrono::Utc;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, warn};

use crate::handler::{Answer, Handler, Unavailable};
use crate::hands::Held;
use crate::metrics::Metrics;
use crate::pace::Backoff;
use crate::settle::{Decision, decide};

/// A handler that has not answered by then is cut off.
const DEADLINE: Duration = Duration::from_secs(60);
/// For how long a set is kept while the handler has nothing to work with. Then it goes back: should this worker alone be
/// cut off, another has it recorded within 30 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// What handling needs to know.
#[derive(Debug)]
pub(crate) struct Processor<H> {
    pub(crate) queue: Queue,
    pub(crate) handler: H,
    pub(crate) probes: Probes,
    pub(crate) metrics: Metrics,
    /// The time to finish is over: what is unfinished goes back.
    pub(crate) hurry: CancellationToken,
}

impl<H: Handler> Processor<H> {
    /// Handles the set and ends its leases. An error says why they went back instead.
    pub(crate) async fn process(&self, set: Vec<Arc<Held>>) -> Result<(), Unavailable> {
        let mut set = set;
        match self.handle(&mut set).await {
            Ok(answers) => {
                let now = Utc::now();
                let ends = set.iter().zip(answers).map(|(held, answer)| {
                    self.metrics.committed(held.lease.received_at, &answer, now);
                    let span = held.span.clone();
                    self.end(held, answer).instrument(span)
                });
                join_all(ends).await;
                Ok(())
            }
            Err(unavailable) => {
                self.give_back(&set).await;
                Err(unavailable)
            }
        }
    }

    /// Gives leases back untouched. One that Redis does not take now runs out by itself.
    pub(crate) async fn give_back(&self, set: &[Arc<Held>]) {
        let leases: Vec<_> = set.iter().filter(|held| !held.is_lost()).map(|held| &held.lease).collect();
        drop(self.queue.release(&leases).await);
    }

    /// Has the set handled, again and again while patience lasts. Leases lost on the way leave the set.
    async fn handle(&self, set: &mut Vec<Arc<Held>>) -> Result<Vec<Answer>, Unavailable> {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            self.probes.beat();
            set.retain(|held| !held.is_lost());
            if set.is_empty() {
                return Ok(Vec::new());
            }
            let unavailable = match self.attempt(set).await {
                Ok(answers) => return Ok(answers),
                Err(unavailable) => unavailable,
            };
            if self.hurry.is_cancelled() || since.elapsed() >= PATIENCE {
                return Err(unavailable);
            }
            self.probes.unready(unavailable.to_string());
            self.hurry.run_until_cancelled(sleep(backoff.next())).await;
        }
    }

    async fn attempt(&self, set: &[Arc<Held>]) -> Result<Vec<Answer>, Unavailable> {
        let deliveries: Vec<_> = set.iter().map(|held| held.delivery()).collect();
        let since = Instant::now();
        let handled = self.hurry.run_until_cancelled(timeout(DEADLINE, self.handler.handle(&deliveries))).await;
        let answers = match handled {
            Some(Ok(answers)) => answers?,
            Some(Err(_)) => return Err(Unavailable::new("the handler gave no answer in time")),
            None => return Err(Unavailable::new("the worker ends")),
        };
        self.metrics.handled(since);
        if answers.len() != set.len() {
            let mistake = format!("the handler answered for {} chunks of {}", answers.len(), set.len());
            return Err(Unavailable::new(mistake));
        }
        Ok(answers)
    }

    async fn end(&self, held: &Held, answer: Answer) {
        match decide(&held.delivery(), answer) {
            Decision::Settle(settlement) => self.settle(held, &settlement).await,
            Decision::Release => drop(self.queue.release(&[&held.lease]).await),
        }
    }

    /// Settles until Redis has heard of it, for a lease's time. Later another worker takes the chunk over, finds its
    /// work done, and settles it.
    async fn settle(&self, held: &Held, settlement: &Settlement) {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        let chunk = &held.lease.id;
        while !held.is_lost() && since.elapsed() < self.queue.lease_time() {
            match self.queue.settle(&[(&held.lease, settlement)]).await {
                Ok(settled) if settled == [Settled::Done] => return self.metrics.settled(settlement),
                Ok(_) => break,
                Err(caudal_queue::Error::Unavailable(_)) => {}
                Err(error) => {
                    error!(chunk.id = %chunk, error = &error as &dyn std::error::Error, "a chunk cannot be settled")
                }
            }
            if self.hurry.run_until_cancelled(sleep(backoff.next())).await.is_none() {
                break;
            }
        }
        warn!(chunk.id = %chunk, "a chunk was handled; whether it was settled is not known here");
    }
}
