//! Admissions that go to Redis together.

use std::time::Duration;

use caudal_queue::{Admission, Error};
use futures_util::future::join_all;
use tokio::{task::yield_now, time::Instant};

use crate::world::{ROOMY, World, batch};

/// More batches than two calls take along, which is 64 each.
const BATCHES: usize = 150;
/// Who makes the first call, and who makes the next when that one is gone.
const LEADERS: [usize; 2] = [0, 1];
/// More than go in some twenty calls.
const CROWD: usize = 1_300;
/// Each call of them would wait 2 s for its answer.
const CALLS_ONE_AFTER_THE_OTHER: Duration = Duration::from_secs(40);

#[tokio::test]
async fn whoever_asked_along_with_one_that_goes_away_is_answered_and_taken_in_once() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    world.redis.pause().unwrap();
    let batches: Vec<_> = (0..BATCHES).map(|_| batch(&[1])).collect();
    let mut asking: Vec<_> = batches
        .iter()
        .map(|batch| {
            let (queue, batch) = (world.queue.clone(), batch.clone());
            tokio::spawn(async move { queue.admit(&batch, ROOMY).await })
        })
        .collect();
    settle_down().await;
    for leader in LEADERS {
        asking[leader].abort();
        settle_down().await;
    }
    world.redis.resume().unwrap();

    let staying = asking.split_off(LEADERS.len());
    assert!(join_all(asking).await.iter().all(|gone| gone.as_ref().is_err_and(|error| error.is_cancelled())));
    for (answer, batch) in join_all(staying).await.into_iter().zip(&batches[LEADERS.len()..]) {
        assert_eq!(answer.unwrap().unwrap(), Admission::Accepted { id: batch.id });
    }
    // The client of one that went away asks again.
    for batch in &batches {
        world.admit(batch).await;
    }
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.waiting_chunks), (batches.len() as u64 + 1, batches.len() as u64 + 1));
}

#[tokio::test]
async fn a_crowd_before_a_frozen_redis_hears_of_it_as_soon_as_one_does() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    world.redis.pause().unwrap();
    let asked = Instant::now();
    let batches: Vec<_> = (0..CROWD).map(|_| batch(&[1])).collect();
    let answers = join_all(batches.iter().map(|batch| world.queue.admit(batch, ROOMY))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))));
    assert!(asked.elapsed() < CALLS_ONE_AFTER_THE_OTHER / 2, "{:?}", asked.elapsed());
}

/// Lets every task go on as far as it can while Redis does not answer.
async fn settle_down() {
    for _ in 0..100 {
        yield_now().await;
    }
}
