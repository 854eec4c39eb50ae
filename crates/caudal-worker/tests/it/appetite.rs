//! How much a worker takes at a time.

use std::sync::Arc;
use std::time::Duration;

use caudal_queue::Chunk;
use caudal_testkit::wait;
use caudal_worker::{Answer, Delivery, Handler, Unavailable, Verdict};
use tokio::sync::Semaphore;

use crate::world::World;

/// Longer than the test: what comes back does so without a lease that runs out.
const LONG_LEASE: Duration = Duration::from_secs(120);

/// Needs to be let through where a chunk holds many.
struct Held(Arc<Semaphore>);

impl Handler for Held {
    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        if set.iter().any(|delivery| delivery.count > 1) {
            drop(self.0.acquire().await.unwrap());
        }
        let recorded = |count: u32| Answer::Verdicts((0..count).map(|_| Verdict::Recorded).collect());
        Ok(set.iter().map(|delivery| recorded(delivery.count)).collect())
    }
}

#[tokio::test]
async fn large_chunks_after_many_small_ones_flood_no_worker() {
    let mut world = World::start().await;
    world.queue = world.queue.with_lease(LONG_LEASE);
    let go = Arc::new(Semaphore::new(0));
    let worker = world.worker_with(Held(Arc::clone(&go)));
    let small = world.admit_chunks(vec![Chunk { payload: vec![1], count: 1 }; 5_000]).await;
    world.finished(small).await;

    let large = world.admit_chunks(vec![Chunk { payload: vec![1], count: 250 }; 800]).await;

    wait::until("a worker has three sets at most", Duration::from_secs(10), async || {
        let backlog = world.queue.backlog().await.unwrap();
        if (4..=12).contains(&backlog.in_flight_chunks) { Ok(()) } else { Err(backlog) }
    })
    .await
    .unwrap();
    go.add_permits(1);
    assert_eq!(world.finished(large).await.recorded, 200_000);
    worker.end().await;
}
