//! The end of a worker: what is in flight is finished, the rest given back at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use caudal_testkit::wait;
use caudal_worker::{Answer, Delivery, Handler, LedgerHandler, Unavailable};
use tokio::sync::{Notify, mpsc};

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
    let (began, mut begun) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    world.admit(&invoices(40), 1).await;
    let batch = world.admit(&invoices(3_000), 250).await;
    let held = world.worker_with(Held { handler: world.handler(), began, go: Arc::clone(&go) });
    begun.recv().await.unwrap();

    let ending = tokio::spawn(held.end());
    // The worker may first have to see that its end was asked for; it is let through as often as it asks.
    let begun = tokio::spawn(async move {
        let mut sets = 1;
        go.notify_one();
        while begun.recv().await.is_some() {
            sets += 1;
            go.notify_one();
        }
        sets
    });
    ending.await.unwrap();

    assert_eq!(begun.await.unwrap(), 1);
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!(backlog.in_flight_chunks, 0);
    assert!(backlog.invoices >= 3_000, "{backlog:?}");
    let since = Instant::now();
    let other = world.worker();
    assert_eq!(world.finished(batch).await.received, 3_000);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    other.end().await;
}

#[tokio::test]
async fn an_idle_worker_ends_long_before_its_grace_is_over() {
    let world = World::start().await;
    let worker = world.worker();
    wait::until("ready", Duration::from_secs(10), async || if worker.probes.is_ready() { Ok(()) } else { Err("not") })
        .await
        .unwrap();
    let since = Instant::now();
    worker.end().await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}
