//! What keeps the last worker, and what does not: work in flight, retries that are due soon, retries that are due later.

use std::time::Duration;

use caudal_queue::{Consumer, Lease, Queue, Retried, Settlement};
use caudal_testkit::{Redis, wait};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::record::Record;
use crate::world::{SOON, World, enqueue, queue, quick};

/// A deployment `worker` with one replica, for one invoice that a worker has, and a scaler with this cooldown, in seconds.
async fn at_work(world: &World, redis: &Redis, cooldown: u64) -> (Record, Consumer, Lease) {
    let queue = queue(redis);
    enqueue(&queue, 1).await;
    let mut worker = queue.consumer("worker/1");
    let taken = async || worker.lease(1, Duration::from_millis(100)).await.unwrap().pop().ok_or("nothing");
    let lease = wait::until("the invoice is taken", SOON, taken).await.unwrap();
    world.deployment("worker", 1).await;
    let mut spec = quick(&redis.url());
    spec["cooldownSeconds"] = json!(cooldown);
    world.scaler("x", spec).await;
    let mut record = Record::of(world, "worker");
    record.until(1).await;
    (record, worker, lease)
}

/// The worker gives up on the invoice for so long.
async fn put_off(queue: &Queue, lease: &Lease, delay: Duration) {
    let retried = Retried { position: lease.position, payload: lease.payload.clone(), attempts: 1, delay };
    let settlement = Settlement { retried: vec![retried], ..Settlement::default() };
    queue.settle(&[(lease, &settlement)]).await.unwrap();
}

fn replicas(record: &Record) -> Vec<i32> {
    record.entries().iter().map(|entry| entry.replicas).collect()
}

#[tokio::test]
async fn work_in_flight_keeps_the_last_worker() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let (mut record, _worker, lease) = at_work(&world, &redis, 1).await;
    let controller = world.controller("caudal");
    world.until_condition("x", "Active", "True").await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(replicas(&record), [1], "the invoice is in flight");
    let settlement = Settlement { recorded: 1, ..Settlement::default() };
    queue(&redis).settle(&[(&lease, &settlement)]).await.unwrap();
    record.until(0).await;
    controller.stop().await;
}

#[tokio::test]
async fn a_retry_that_is_due_within_the_cooldown_keeps_the_last_worker() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let (record, mut worker, lease) = at_work(&world, &redis, 10).await;
    let controller = world.controller("caudal");
    world.until_condition("x", "Active", "True").await;
    // The cooldown is over before, and there is nothing to do meanwhile.
    put_off(&queue(&redis), &lease, Duration::from_secs(15)).await;
    world.until_condition("x", "Active", "False").await;
    world.until_condition("x", "Active", "True").await;
    assert_eq!(replicas(&record), [1], "the retry is due");
    assert_eq!(worker.promote().await.unwrap(), 1);
    controller.stop().await;
}

#[tokio::test]
async fn a_retry_that_is_due_later_keeps_nobody_and_finds_a_worker_when_due() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let (mut record, mut worker, lease) = at_work(&world, &redis, 1).await;
    let controller = world.controller("caudal");
    world.until_condition("x", "Active", "True").await;
    let delay = Duration::from_secs(6);
    let before = Instant::now();
    put_off(&queue(&redis), &lease, delay).await;
    let left = record.until(0).await.at - before;
    assert!(left < delay, "nothing to do for longer than the cooldown, but left after {left:?}");
    let came = record.until(1).await.at - before;
    println!("left after {left:?}, came after {came:?}");
    assert!(came >= delay, "came after {came:?}");
    assert_eq!(worker.promote().await.unwrap(), 1, "it finds the work that is due");
    controller.stop().await;
}

#[tokio::test]
async fn a_retry_that_is_due_in_an_hour_keeps_nobody() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let (mut record, _worker, lease) = at_work(&world, &redis, 1).await;
    let controller = world.controller("caudal");
    world.until_condition("x", "Active", "True").await;
    put_off(&queue(&redis), &lease, Duration::from_secs(3_600)).await;
    record.until(0).await;
    controller.stop().await;
}
