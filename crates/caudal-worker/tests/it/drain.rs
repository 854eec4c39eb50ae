//! The end of a worker: what is in flight is finished, the rest given back at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use caudal_testkit::wait;
use caudal_worker::{Answer, Delivery, Handler, LedgerHandler, Unavailable};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::world::{World, invoices};

/// Waits to be let through before each set.
struct Held {
    handler: LedgerHandler,
    began: mpsc::UnboundedSender<u32>,
    go: Arc<Notify>,
}

impl Handler for Held {
    async fn ready(&self) -> Result<(), Unavailable> {
        self.handler.ready().await
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        self.began.send(set.iter().map(|delivery| delivery.count).sum()).unwrap();
        self.go.notified().await;
        self.handler.handle(set).await
    }
}

#[tokio::test]
async fn at_the_end_the_set_in_flight_is_finished_and_the_rest_is_given_back() {
    let world = World::start().await;
    // Each chunk is a set of its own, and the worker has several in hand.
    let batch = world.admit(&invoices(2_400), 600).await;
    let (began, mut begun) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let ending = world.worker_with(Held { handler: world.handler(), began, go: Arc::clone(&go) });
    assert_eq!(begun.recv().await, Some(600));
    assert!(world.queue.backlog().await.unwrap().in_flight_chunks > 1);

    ending.shutdown.cancel();
    go.notify_one();
    // Less than the worker's grace.
    timeout(Duration::from_secs(15), ending.end()).await.unwrap();

    assert_eq!(begun.recv().await, None);
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.in_flight_chunks), (1_800, 0));
    let other = world.worker();
    let status = world.finished(batch).await;
    assert_eq!((status.recorded, status.unchanged, status.rejected), (2_400, 0, 0));
    other.end().await;
}

#[tokio::test]
async fn an_idle_worker_ends_long_before_its_grace_is_over() {
    let world = World::start().await;
    let worker = world.worker();
    wait::until("ready", Duration::from_secs(30), async || if worker.probes.is_ready() { Ok(()) } else { Err("not") })
        .await
        .unwrap();
    let since = Instant::now();
    worker.end().await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}
