//! Redis goes away and comes back.

use std::time::Duration;

use caudal_queue::{
    Admission, Backlog, Batch, Consumer, DeadLetter, Error, Lease, Queue, Rejected, Retried, Settled, Settlement,
    Status,
};
use caudal_redis::{Client, Options};
use caudal_testkit::{Redis, wait};
use tokio::time::{Instant, sleep};

use crate::world::{LEASE, ROOMY, SOON, World, all_recorded, batch, lease, reclaim};

const BLINK: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_reader_goes_on_after_redis_was_killed_and_what_was_accepted_is_still_there() {
    let mut world = World::start().await;
    let mut consumer = world.queue.consumer("pod/1");
    world.admit(&batch(&[2])).await;
    let held = lease(&mut consumer, 1).await;
    world.admit(&batch(&[3])).await;
    world.redis.kill().await.unwrap();
    assert!(matches!(consumer.lease(1, BLINK).await, Err(Error::Unavailable(_))));
    assert!(matches!(consumer.reclaim(1).await, Err(Error::Unavailable(_))));
    world.redis.restart().await.unwrap();

    let next = lease_again(&mut consumer).await;
    assert_eq!(next.count, 3);
    for lease in held.iter().chain([&next]) {
        assert_eq!(world.settle(lease, &all_recorded(lease)).await, Settled::Done);
    }
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 0);
}

#[tokio::test]
async fn an_admission_fails_at_once_while_redis_is_away_and_succeeds_soon_after_its_return() {
    let mut world = World::start().await;
    let sent = batch(&[1]);
    world.redis.kill().await.unwrap();
    for _ in 0..5 {
        let asked = Instant::now();
        assert!(matches!(world.queue.admit(&sent, ROOMY).await, Err(Error::Unavailable(_))));
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    sleep(Duration::from_secs(1)).await;
    world.redis.restart().await.unwrap();
    wait::until("an admission", SOON, async || world.queue.admit(&sent, ROOMY).await).await.unwrap();
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 1);
}

#[tokio::test]
async fn a_frozen_redis_is_away_within_its_time_limit_and_the_same_batch_is_there_once_afterwards() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let sent = batch(&[1]);
    world.redis.pause().unwrap();
    let asked = Instant::now();
    assert!(matches!(world.queue.admit(&sent, ROOMY).await, Err(Error::Unavailable(_))));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    world.redis.resume().unwrap();
    assert_eq!(world.queue.admit(&sent, ROOMY).await.unwrap(), Admission::Accepted { id: sent.id });
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 2);
}

#[tokio::test]
async fn after_an_outage_a_live_workers_lease_is_not_taken() {
    let mut world = World::start().await;
    world.admit(&batch(&[1])).await;
    let mine = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let mut other = world.settled_in("pod/2").await;
    world.queue.renew(&[&mine[0]]).await.unwrap();
    world.redis.kill().await.unwrap();
    assert!(other.reclaim(1).await.is_err());
    sleep(LEASE * 2).await;
    world.redis.restart().await.unwrap();

    wait::until("a reclaim", SOON, async || {
        let reclaimed = other.reclaim(1).await?;
        assert_eq!(reclaimed.leases.len(), 0);
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    let renewed = Instant::now();
    assert_eq!(world.queue.renew(&[&mine[0]]).await.unwrap().len(), 0);
    let taken = other.reclaim(1).await.unwrap().leases;
    // On a machine that stood still meanwhile it is the other's by right.
    if renewed.elapsed() < LEASE {
        assert_eq!(taken.len(), 0);
        drop(mine);
        reclaim(&mut other, 1).await;
    }
}

#[tokio::test]
async fn a_queue_that_vanished_is_made_again_by_its_reader() {
    let world = World::start().await;
    let mut consumer = world.queue.consumer("pod/1");
    world.admit(&batch(&[1])).await;
    lease(&mut consumer, 1).await;
    let _: () = world.run(&["FLUSHALL"]).await;
    assert_eq!(consumer.reclaim(1).await.unwrap().leases.len(), 0);
    world.admit(&batch(&[5])).await;
    assert_eq!(lease(&mut consumer, 1).await[0].count, 5);
}

#[tokio::test]
async fn a_queue_whose_group_is_lost_while_its_reader_waits_is_made_again() {
    let world = World::start().await;
    let mut consumer = world.queue.consumer("pod/1");
    assert!(consumer.lease(1, BLINK).await.unwrap().is_empty());
    let waiting = consumer.lease(1, Duration::from_secs(2));
    let flush = async {
        sleep(BLINK).await;
        world.run::<()>(&["FLUSHALL"]).await;
        world.admit(&batch(&[5])).await;
    };
    let (answer, ()) = tokio::join!(waiting, flush);
    let leases = match answer {
        Ok(leases) if !leases.is_empty() => leases,
        _ => lease(&mut consumer, 1).await,
    };
    assert_eq!(leases[0].count, 5);
}

#[tokio::test]
async fn a_password_that_becomes_right_is_taken_without_a_restart() {
    let world = World::start().await;
    let url = world.redis.url().replace("redis://", "redis://:later@");
    let client = Client::new(&Options { redis_url: url.into() }).unwrap();
    let options = caudal_queue::Options { queue: "facturas".parse().unwrap() };
    let queue = Queue::new(&client, &options);
    let _: () = world.run(&["CONFIG", "SET", "requirepass", "now"]).await;
    for _ in 0..2 {
        assert!(matches!(queue.backlog().await, Err(Error::Misconfigured(_))));
    }
    let _: () = world.run(&["CONFIG", "SET", "requirepass", "later"]).await;
    wait::until("a look", SOON, async || queue.backlog().await).await.unwrap();
}

#[tokio::test]
async fn a_restarted_redis_still_has_retries_dead_letters_statuses_and_the_pause() {
    let mut world = World::start().await;
    let sent = batch(&[3]);
    world.admit(&sent).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let retried = Retried { position: 0, payload: vec![1], attempts: 1, delay: SOON };
    let rejected = Rejected {
        position: 1,
        count: 1,
        number: "F-1".to_owned(),
        code: "check_violation".to_owned(),
        detail: "why".to_owned(),
        payload: vec![2],
    };
    let settlement =
        Settlement { recorded: 1, retried: vec![retried], rejected: vec![rejected], ..Settlement::default() };
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Done);
    world.queue.pause().await.unwrap();
    let before = everything(&world, &sent).await;
    world.redis.kill().await.unwrap();
    world.redis.restart().await.unwrap();
    wait::until("a look", SOON, async || world.queue.backlog().await).await.unwrap();
    assert_eq!(everything(&world, &sent).await, before);
    assert_eq!((before.0.invoices, before.0.dead, before.0.retry_invoices, before.0.paused), (1, 1, 1, true));
}

async fn everything(world: &World, sent: &Batch) -> (Backlog, Option<Status>, Vec<DeadLetter>) {
    let queue = &world.queue;
    let letters = queue.dead_letters(None, 10).await.unwrap();
    (queue.backlog().await.unwrap(), queue.status(sent.id).await.unwrap(), letters)
}

#[tokio::test]
async fn a_failover_to_an_empty_replica_is_an_outage_and_then_an_empty_queue_that_works() {
    let world = World::start().await;
    let empty = Redis::start().await.unwrap();
    let mut consumer = world.queue.consumer("pod/1");
    world.admit(&batch(&[2, 3])).await;
    let held = lease(&mut consumer, 1).await;

    // What the address leads to becomes a replica with nothing in it, and is promoted.
    let port = empty.port().to_string();
    let _: () = world.run(&["REPLICAOF", "127.0.0.1", &port]).await;
    wait::until("a replica", SOON, async || {
        let sent = world.queue.admit(&batch(&[1]), ROOMY).await;
        if matches!(sent, Err(Error::Unavailable(_))) { Ok(()) } else { Err(sent) }
    })
    .await
    .unwrap();
    wait::until("an empty replica", SOON, async || {
        let keys = world.key_count().await;
        if keys == 0 { Ok(()) } else { Err(keys) }
    })
    .await
    .unwrap();
    assert!(world.queue.settle(&[(&held[0], &all_recorded(&held[0]))]).await.is_err());
    let _: () = world.run(&["REPLICAOF", "NO", "ONE"]).await;

    let sent = batch(&[4]);
    wait::until("an admission", SOON, async || world.queue.admit(&sent, ROOMY).await).await.unwrap();
    assert_eq!(world.settle(&held[0], &all_recorded(&held[0])).await, Settled::Lost);
    assert_eq!(world.queue.renew(&[&held[0]]).await.unwrap().len(), 1);
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 4);
    let next = lease_again(&mut consumer).await;
    assert_eq!((next.batch, next.count), (sent.id, 4));
    assert_eq!(world.settle(&next, &all_recorded(&next)).await, Settled::Done);
    assert_eq!(world.queue.backlog().await.unwrap(), Backlog { settled: 4, ..Backlog::default() });
}

/// The first lease after an outage, whose errors are passed over.
async fn lease_again(consumer: &mut Consumer) -> Lease {
    wait::until("a lease", SOON, async || match consumer.lease(1, BLINK).await {
        Ok(mut leases) => leases.pop().ok_or_else(|| "none".to_owned()),
        Err(error) => Err(error.to_string()),
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_redis_that_forgot_its_scripts_in_the_midst_of_everything_is_sent_each_again() {
    let world = World::start().await;
    let forget = async || world.run::<()>(&["SCRIPT", "FLUSH"]).await;
    forget().await;
    world.admit(&batch(&[1, 1, 1])).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 3).await;
    forget().await;
    assert_eq!(world.queue.renew(&[&leases[0]]).await.unwrap().len(), 0);
    forget().await;
    let retried = Retried { position: 0, payload: vec![1], attempts: 1, delay: Duration::ZERO };
    let settlement = Settlement { retried: vec![retried], ..Settlement::default() };
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Done);
    forget().await;
    world.queue.release(&[&leases[1]]).await.unwrap();
    forget().await;
    assert_eq!(consumer.promote().await.unwrap(), 1);
    forget().await;
    assert_eq!(world.queue.consumer("pod/2").reclaim(1).await.unwrap().leases.len(), 1);
    forget().await;
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 3);
}
