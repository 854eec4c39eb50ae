//! Deaths and outages: everything accepted is recorded, once.

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

#[tokio::test]
async fn nothing_is_lost_or_counted_while_postgresql_is_away() {
    let mut world = World::start().await;
    let worker = world.worker();
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
