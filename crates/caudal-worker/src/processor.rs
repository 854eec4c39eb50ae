//! The second stage: has sets handled, one after the other, and decides on each chunk.

use std::sync::Arc;
use std::time::Duration;

use caudal_queue::Chunk;
use caudal_telemetry::ops::Probes;
use chrono::Utc;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::decision::{self, Decision};
use crate::gate::Gate;
use crate::handler::{Answer, Handler, Unavailable};
use crate::hands::Held;
use crate::metrics::Metrics;
use crate::pace::Backoff;
use crate::port::{Leased, Port};
use crate::shelf::Shelf;

/// A handler that has not answered by then is cut off.
const DEADLINE: Duration = Duration::from_secs(60);
/// For how long a set is kept while the handler has nothing to work with. Then it goes back: should this worker alone be
/// cut off, another has it recorded within 30 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// A chunk alone is buried after it was in the hands of so many workers when they died.
const MOST_DEATHS: u32 = 5;

/// The stage.
#[derive(Debug)]
pub(crate) struct Processor<Q: Port, H> {
    pub(crate) queue: Arc<Q>,
    pub(crate) handler: H,
    pub(crate) gate: Arc<Gate>,
    pub(crate) probes: Probes,
    pub(crate) metrics: Metrics,
    /// The time to finish is over: what is unfinished goes back.
    pub(crate) hurry: CancellationToken,
}

/// Chunks that are handled together.
type Set<L> = Vec<Arc<Held<L>>>;

/// A chunk that is dealt with, and what is to be done with its lease.
#[derive(Debug)]
pub(crate) struct End<L> {
    pub(crate) held: Arc<Held<L>>,
    pub(crate) decision: Decision,
}

/// Why there are no answers on a set.
#[derive(Debug)]
enum Trouble {
    /// None came in time, though what the handler works with is there.
    Hung,
    /// Redis, or what the handler works with, is away.
    Away(Unavailable),
}

impl<Q: Port, H: Handler> Processor<Q, H> {
    /// Takes sets from the shelf until it is closed. Each is handled only when there is room for its ends.
    pub(crate) async fn run(
        &self,
        shelf: &Shelf<Q::Lease>,
        ends: mpsc::Sender<Vec<End<Q::Lease>>>,
        mut chance: impl FnMut() -> f64,
    ) {
        while let Ok(slot) = ends.reserve().await {
            let Some(set) = shelf.next().await else { return };
            let mut ended = Vec::new();
            let processed = self.process(set, &mut ended, &mut chance).await;
            if !ended.is_empty() {
                slot.send(ended);
            }
            match processed {
                Ok(()) => self.gate.open(),
                Err((mut left, cause)) => {
                    warn!(error = &cause as &dyn std::error::Error, "what cannot be handled now goes back");
                    self.gate.shut();
                    left.extend(shelf.clear());
                    self.give_back(&left).await;
                }
            }
        }
    }

    /// Gives leases back untouched. Tells Redis until it hears, unless the worker must end: a suspect whose lease runs out has
    /// its try counted as a death.
    pub(crate) async fn give_back(&self, set: &[Arc<Held<Q::Lease>>]) {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let leases: Vec<_> = set.iter().filter(|held| !held.is_lost()).map(|held| &held.lease).collect();
            if leases.is_empty() {
                return;
            }
            let heard = match self.queue.release(&leases).await {
                Ok(()) => true,
                Err(caudal_queue::Error::Unavailable(_)) => false,
                Err(_) => since.elapsed() >= self.queue.lease_time(),
            };
            if heard || self.hurry.run_until_cancelled(sleep(backoff.next())).await.is_none() {
                return;
            }
        }
    }

    /// Handles a set; one that hangs is cut in halves. An error says why the chunks it names were not handled.
    async fn process(
        &self,
        set: Set<Q::Lease>,
        ended: &mut Vec<End<Q::Lease>>,
        chance: &mut impl FnMut() -> f64,
    ) -> Result<(), (Set<Q::Lease>, Unavailable)> {
        let mut parts = vec![set];
        while let Some(mut part) = parts.pop() {
            match self.part(&mut part, chance).await {
                Ok(decisions) => {
                    ended.extend(part.into_iter().zip(decisions).map(|(held, decision)| End { held, decision }))
                }
                Err(Trouble::Hung) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Err(Trouble::Hung) => ended.extend(part.into_iter().map(|held| self.hung(held))),
                Err(Trouble::Away(cause)) => {
                    part.extend(parts.into_iter().flatten());
                    return Err((part, cause));
                }
            }
        }
        Ok(())
    }

    /// Decides on each chunk of a part, of which those leave that are lost.
    async fn part(&self, part: &mut Set<Q::Lease>, chance: &mut impl FnMut() -> f64) -> Result<Vec<Decision>, Trouble> {
        if let [held] = part.as_slice()
            && held.is_doubtful()
            && let Some(decision) = self.doubt(held).await?
        {
            return Ok(vec![decision]);
        }
        let answers = self.patiently(part).await?;
        let now = Utc::now();
        let decide = |(held, answer): (&Arc<Held<Q::Lease>>, Answer)| {
            let delivery = held.delivery();
            self.metrics.committed(delivery.received_at, &answer, now);
            decision::answered(&delivery, answer, &mut *chance)
        };
        Ok(part.iter().zip(answers).map(decide).collect())
    }

    /// A chunk whose workers died goes on in parts; what cannot be cut is counted before it is tried, and is not tried again
    /// after too many deaths.
    async fn doubt(&self, held: &Held<Q::Lease>) -> Result<Option<Decision>, Trouble> {
        let seen = held.lease.seen();
        if !seen.suspect
            && seen.count > 1
            && let Some(parts) = self.cut(held)
        {
            warn!(chunk.id = %seen.id, "a chunk whose workers died goes on in parts");
            return Ok(Some(Decision::Split(parts)));
        }
        match self.queue.mark(&held.lease).await {
            Ok(tries) if tries > MOST_DEATHS => {
                error!(chunk.id = %seen.id, "a chunk that kills its workers is buried");
                Ok(Some(decision::deadly(&held.delivery(), MOST_DEATHS)))
            }
            Ok(0) => {
                held.lose();
                Ok(None)
            }
            Ok(_) => Ok(None),
            Err(error) => Err(Trouble::Away(Unavailable::new(error))),
        }
    }

    /// The chunk's invoices, each by itself.
    fn cut(&self, held: &Held<Q::Lease>) -> Option<Vec<Chunk>> {
        let seen = held.lease.seen();
        let parts = self.handler.split(seen.payload)?;
        let whole = parts.len() == seen.count as usize;
        whole.then(|| parts.into_iter().map(|payload| Chunk { payload, count: 1 }).collect())
    }

    fn hung(&self, held: Arc<Held<Q::Lease>>) -> End<Q::Lease> {
        let decision = decision::hung(&held.delivery(), self.cut(&held));
        End { held, decision }
    }

    /// Has the part handled, again and again while patience lasts.
    async fn patiently(&self, part: &mut Set<Q::Lease>) -> Result<Vec<Answer>, Trouble> {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            part.retain(|held| !held.is_lost());
            if part.is_empty() {
                return Ok(Vec::new());
            }
            let cause = match self.attempt(part).await {
                Err(Trouble::Away(cause)) => cause,
                other => return other,
            };
            self.gate.shut();
            self.probes.unready(cause.to_string());
            if self.hurry.is_cancelled() || since.elapsed() >= PATIENCE {
                return Err(Trouble::Away(cause));
            }
            self.hurry.run_until_cancelled(sleep(backoff.next())).await;
        }
    }

    async fn attempt(&self, part: &[Arc<Held<Q::Lease>>]) -> Result<Vec<Answer>, Trouble> {
        let deliveries: Vec<_> = part.iter().map(|held| held.delivery()).collect();
        let since = Instant::now();
        let handled = self.hurry.run_until_cancelled(timeout(DEADLINE, self.handler.handle(&deliveries))).await;
        let answers = match handled {
            Some(Ok(answers)) => answers.map_err(Trouble::Away)?,
            Some(Err(_)) => return Err(self.overdue(part).await),
            None => return Err(Trouble::Away(Unavailable::new("the worker ends"))),
        };
        self.metrics.handled(since);
        if answers.len() != part.len() {
            let mistake = format!("the handler answered for {} chunks of {}", answers.len(), part.len());
            return Err(Trouble::Away(Unavailable::new(mistake)));
        }
        Ok(answers)
    }

    /// What it means that the handler gave no answer in time.
    async fn overdue(&self, part: &[Arc<Held<Q::Lease>>]) -> Trouble {
        self.metrics.hung();
        error!(chunks = part.len(), chunk.id = part.first().map(|held| held.id().to_string()), "the handler hung");
        match timeout(PATIENCE, self.handler.ready()).await {
            Ok(Ok(())) => Trouble::Hung,
            Ok(Err(cause)) => Trouble::Away(cause),
            Err(_) => Trouble::Away(Unavailable::new("the handler does not say whether it is ready")),
        }
    }
}
