//! The worker: three stages that run at the same time, and the heartbeat beside them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use caudal_queue::{Consumer, Queue};
use caudal_telemetry::ops::Probes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::gate::Gate;
use crate::handler::Handler;
use crate::hands::{Hands, heartbeat};
use crate::metrics::Metrics;
use crate::port::{Port, Reading};
use crate::processor::Processor;
use crate::reader::{Memory, Reader};
use crate::settler::Settler;
use crate::shelf::Shelf;

/// What is in flight when the end is asked for has this long to be finished.
const GRACE: Duration = Duration::from_secs(20);
/// The loop turns at least this often, unless the handler blocks it.
const STALLED: Duration = Duration::from_secs(90);

/// A worker of one queue.
#[derive(Debug)]
pub struct Worker<H> {
    core: Core<Queue, Consumer, H>,
}

impl<H: Handler> Worker<H> {
    /// A worker that has the handler deal with the queue's chunks. `pod` names where it runs, for people; no two workers
    /// share a name. Connects nothing.
    pub fn new(queue: &Queue, pod: &str, handler: H) -> Self {
        let consumer = queue.consumer(&format!("{pod}/{}", Uuid::new_v4().simple()));
        Self { core: Core::new(queue.clone(), consumer, handler, fastrand::Rng::new()) }
    }

    /// What `/healthz` and `/readyz` answer for this worker: alive while its loop turns, also when it only waits for what is
    /// away; ready while it reaches both the queue and what its handler works with.
    pub fn probes(&self) -> Probes {
        self.core.probes.clone()
    }

    /// What it counts; to be registered before it runs.
    pub fn metrics(&self) -> Metrics {
        self.core.metrics.clone()
    }

    /// Works until `shutdown`; then finishes what is in flight, for at most 20 s, and gives the rest back. Outages of Redis
    /// or of the handler's backend are waited out.
    pub async fn run(self, shutdown: CancellationToken) {
        // A task of its own: a busy handler must not hold up the heartbeat. It ends with this future, however that ends.
        let mut beating = JoinSet::new();
        beating.spawn(self.core.heartbeat());
        self.core.run(shutdown).await;
        beating.shutdown().await;
    }
}

/// The worker without its tasks, of any queue.
#[derive(Debug)]
pub(crate) struct Core<Q: Port, R, H> {
    queue: Arc<Q>,
    consumer: R,
    handler: H,
    random: fastrand::Rng,
    hands: Hands<Q::Lease>,
    probes: Probes,
    metrics: Metrics,
}

impl<Q: Port, R: Reading<Lease = Q::Lease>, H: Handler> Core<Q, R, H> {
    pub(crate) fn new(queue: Q, consumer: R, handler: H, random: fastrand::Rng) -> Self {
        Self {
            queue: Arc::new(queue),
            consumer,
            handler,
            random,
            hands: Hands::default(),
            probes: Probes::watching(STALLED),
            metrics: Metrics::default(),
        }
    }

    /// Keeps what the worker holds, for ever.
    pub(crate) fn heartbeat(&self) -> impl Future<Output = ()> + Send + use<Q, R, H> {
        heartbeat(Arc::clone(&self.queue), self.hands.clone())
    }

    /// Works until `shutdown`, and ends within the grace.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let hurry = CancellationToken::new();
        let late = async {
            shutdown.cancelled().await;
            sleep(GRACE).await;
            hurry.cancel();
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = Box::pin(self.stages(&shutdown, &hurry)) => {}
            () = late => {}
        }
    }

    /// About one set is read, two at most, one handled and one settled at the same time.
    async fn stages(self, shutdown: &CancellationToken, hurry: &CancellationToken) {
        let Self { queue, consumer, handler, mut random, hands, probes, metrics } = self;
        let shelf = Arc::new(Shelf::default());
        let gate = Arc::new(Gate::default());
        let processor = Processor {
            queue: Arc::clone(&queue),
            handler,
            gate: Arc::clone(&gate),
            probes: probes.clone(),
            metrics: metrics.clone(),
            hurry: hurry.clone(),
        };
        let settler = Settler { queue: Arc::clone(&queue), metrics: metrics.clone(), hurry: hurry.clone() };
        let memory = Memory::default();
        let reader = Reader { queue, consumer, hands, shelf: Arc::clone(&shelf), gate, probes, metrics, memory };
        let (ends, ended) = mpsc::channel(1);
        let close = async {
            shutdown.cancelled().await;
            processor.give_back(&shelf.close()).await;
        };
        let (consumer, (), (), ()) = tokio::join!(
            reader.run(&processor.handler, shutdown),
            processor.run(&shelf, ends, || random.f64()),
            settler.run(ended),
            close,
        );
        // Where Redis does not hear of it, another worker tidies up.
        drop(consumer.leave().await);
    }
}
