//! Deaths and outages: everything accepted is recorded, once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use caudal_testkit::wait;
use caudal_worker::{Answer, Delivery, Handler, LedgerHandler, Unavailable};
use tokio::sync::mpsc;

use crate::world::{LEASE, RUT, Running, World, invoices};

const LONG_LEASE: Duration = Duration::from_secs(5);

/// Comes as far as it is told, says so, and never comes back: its worker dies before or after its commit.
struct Dies {
    handler: LedgerHandler,
    commits: bool,
    reached: mpsc::UnboundedSender<()>,
}

impl Handler for Dies {
    async fn ready(&self) -> Result<(), Unavailable> {
        self.handler.ready().await
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        if self.commits {
            self.handler.handle(set).await?;
        }
        self.reached.send(()).unwrap();
        std::future::pending().await
    }
}

impl World {
    /// A worker that has just come to its end, before or after its commit.
    async fn dying(&self, commits: bool) -> Running {
        let (reached, mut end) = mpsc::unbounded_channel();
        let dying = self.worker_with(Dies { handler: self.handler(), commits, reached });
        end.recv().await.unwrap();
        dying
    }
}

#[tokio::test]
async fn a_dead_workers_chunks_are_recorded_by_another_once() {
    for commits in [false, true] {
        let world = World::start().await;
        let batch = world.admit(&invoices(300), 100).await;
        world.dying(commits).await.crash().await;

        let since = Instant::now();
        let worker = world.worker();
        let status = world.finished(batch).await;

        assert!(since.elapsed() < LEASE * 5, "{:?}", since.elapsed());
        assert_eq!((status.recorded, status.unchanged, status.rejected), (300, 0, 0));
        let client = world.client(RUT).await;
        assert_eq!((client.balance, client.count), ("300".parse().unwrap(), 300));
        worker.end().await;
    }
}

#[tokio::test]
async fn a_slow_worker_keeps_its_chunks_by_its_heartbeat() {
    let mut world = World::start().await;
    // Longer than a busy machine stands still.
    world.queue = world.queue.with_lease(LONG_LEASE);
    let batch = world.admit(&invoices(100), 100).await;
    let slow = world.dying(true).await;

    let eager = world.worker();
    tokio::time::sleep(LONG_LEASE * 5 / 2).await;

    assert!(world.queue.status(batch).await.unwrap().unwrap().finished_at.is_none());
    slow.crash().await;
    assert_eq!(world.finished(batch).await.recorded, 100);
    eager.end().await;
}

/// Notes the most attempts and deliveries that an invoice came with.
struct Counted {
    handler: LedgerHandler,
    counted: Arc<Mutex<(u32, u32)>>,
}

impl Handler for Counted {
    async fn ready(&self) -> Result<(), Unavailable> {
        self.handler.ready().await
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        for delivery in set {
            let mut counted = self.counted.lock().unwrap();
            *counted = (counted.0.max(delivery.attempts), counted.1.max(delivery.deliveries));
        }
        self.handler.handle(set).await
    }
}

#[tokio::test]
async fn nothing_is_lost_or_counted_while_postgresql_is_away() {
    let mut world = World::start().await;
    let counted = Arc::default();
    let worker = world.worker_with(Counted { handler: world.handler(), counted: Arc::clone(&counted) });
    let first = world.admit(&invoices(10), 1).await;
    world.finished(first).await;

    world.postgres.stop().await.unwrap();
    let batch = world.admit(&invoices(1_200), 100).await;
    wait::until("the worker is not ready", Duration::from_secs(10), async || not(worker.probes.is_ready()))
        .await
        .unwrap();
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 1_200);
    world.postgres.restart().await.unwrap();

    let status = world.finished(batch).await;
    assert_eq!((status.recorded, status.unchanged, status.rejected), (1_190, 10, 0));
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!((backlog.retry_invoices, backlog.dead), (0, 0));
    let (attempts, deliveries) = *counted.lock().unwrap();
    assert_eq!((attempts, deliveries), (0, 1), "what was counted against an invoice");
    assert_eq!(world.client(RUT).await.balance, "1200".parse().unwrap());
    wait::until("the worker is ready", Duration::from_secs(10), async || not(!worker.probes.is_ready())).await.unwrap();
    worker.end().await;
}

#[tokio::test]
async fn while_postgresql_is_away_for_long_the_chunks_are_given_back() {
    let mut world = World::start().await;
    let worker = world.worker();
    let first = world.admit(&invoices(1), 1).await;
    world.finished(first).await;

    world.postgres.stop().await.unwrap();
    world.admit(&invoices(100), 10).await;

    wait::until("the chunks are given back", Duration::from_secs(25), async || {
        let backlog = world.queue.backlog().await.unwrap();
        if backlog.waiting_chunks == 10 && !worker.probes.is_ready() { Ok(()) } else { Err(backlog) }
    })
    .await
    .unwrap();
    worker.end().await;
}

#[tokio::test]
async fn a_worker_outlives_redis_and_goes_on_where_it_was() {
    let mut world = World::start().await;
    let worker = world.worker();
    let first = world.admit(&invoices(10), 1).await;
    world.finished(first).await;

    world.redis.kill().await.unwrap();
    wait::until("the worker is not ready", Duration::from_secs(20), async || not(worker.probes.is_ready()))
        .await
        .unwrap();
    world.redis.restart().await.unwrap();

    let batch = wait::until("the queue takes a batch", Duration::from_secs(10), async || {
        world.queue.backlog().await.map_err(|error| error.to_string())
    })
    .await
    .map(|_| world.admit(&[], 1));
    batch.unwrap().await;
    let batch = world.admit(&invoices(20), 5).await;
    assert_eq!(world.finished(batch).await.recorded, 10);
    assert!(!worker.task.is_finished());
    worker.end().await;
}

fn not(still: bool) -> Result<(), &'static str> {
    if still { Err("still") } else { Ok(()) }
}

/// Begins, and then has nothing to work with.
struct Away(mpsc::UnboundedSender<()>);

impl Handler for Away {
    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn handle(&self, _: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        self.0.send(()).unwrap();
        Err(Unavailable::new("away"))
    }
}

#[tokio::test]
async fn what_cannot_be_handled_goes_back_also_when_redis_is_away_just_then() {
    let mut world = World::start().await;
    // Longer than the test: what comes back does so without a lease that runs out.
    world.queue = world.queue.with_lease(Duration::from_secs(120));
    world.admit(&invoices(10), 10).await;
    let (tried, mut tries) = mpsc::unbounded_channel();
    let worker = world.worker_with(Away(tried));
    tries.recv().await.unwrap();

    world.redis.kill().await.unwrap();
    // It is tried again and again for a while, and no more once it is being given back.
    let quiet = Duration::from_secs(4);
    while let Ok(Some(())) = tokio::time::timeout(quiet, tries.recv()).await {}
    world.redis.restart().await.unwrap();

    wait::until("the chunk is given back", Duration::from_secs(20), async || match world.queue.backlog().await {
        Ok(backlog) if backlog.waiting_chunks == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    worker.end().await;
}
