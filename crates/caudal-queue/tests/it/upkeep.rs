//! Pausing, recounting and tidying up.

use std::time::Duration;

use caudal_queue::{Check, Consumer, Retried, Settled, Settlement};
use caudal_testkit::wait;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{LEASE, SOON, World, all_recorded, batch, lease};

/// Longer than any read waits.
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_paused_queue_takes_batches_in_and_finishes_what_is_held_but_gives_nothing_out() {
    let world = World::start().await;
    world.admit(&batch(&[1, 1, 1])).await;
    let mut consumer = world.settled_in("pod/1").await;
    let mut held = consumer.lease(2, Duration::from_millis(50)).await.unwrap();
    let retried = Retried { position: 0, payload: Vec::new(), attempts: 1, delay: Duration::ZERO };
    let settlement = Settlement { retried: vec![retried], ..Settlement::default() };
    assert_eq!(world.settle(&held[0], &settlement).await, Settled::Done);
    world.queue.release(&[&held.remove(1)]).await.unwrap();
    drop(held);

    world.queue.pause().await.unwrap();
    assert!(world.queue.paused().await.unwrap() && world.queue.backlog().await.unwrap().paused);
    world.admit(&batch(&[1])).await;
    let asked = Instant::now();
    assert_eq!(consumer.lease(10, Duration::from_millis(200)).await.unwrap().len(), 0);
    assert!(asked.elapsed() >= Duration::from_millis(200));
    assert_eq!(consumer.promote().await.unwrap(), 0);
    assert_eq!(world.queue.consumer("pod/2").reclaim(10).await.unwrap().leases.len(), 0);

    world.queue.resume().await.unwrap();
    assert!(!world.queue.paused().await.unwrap());
    assert_eq!(world.queue.consumer("pod/2").reclaim(10).await.unwrap().leases.len(), 1);
    assert_eq!(consumer.promote().await.unwrap(), 1);
    assert_eq!(lease(&mut consumer, 3).await.len(), 3);
}

#[tokio::test]
async fn a_pause_takes_effect_within_a_blocking_read_and_its_end_too() {
    let world = World::start().await;
    let mut consumer = world.settled_in("pod/1").await;
    let reading = async {
        while !world.queue.paused().await.unwrap() {
            assert_eq!(consumer.lease(1, HOUR).await.unwrap().len(), 0);
        }
    };
    let pausing = async {
        wait::until("a read that blocks", SOON, async || blocks(&world).await).await.unwrap();
        world.queue.pause().await.unwrap();
    };
    timeout(SOON, async { tokio::join!(reading, pausing) }).await.expect("the read goes on");

    world.admit(&batch(&[1])).await;
    assert_eq!(consumer.lease(1, HOUR).await.unwrap().len(), 0);
    let resuming = async {
        sleep(Duration::from_millis(50)).await;
        world.queue.resume().await.unwrap();
    };
    let reading = async { while consumer.lease(1, HOUR).await.unwrap().is_empty() {} };
    timeout(SOON, async { tokio::join!(reading, resuming) }).await.expect("the pause goes on");
}

async fn blocks(world: &World) -> Result<(), String> {
    let clients: String = world.run(&["INFO", "clients"]).await;
    if clients.contains("blocked_clients:1") { Ok(()) } else { Err(clients) }
}

#[tokio::test]
async fn a_check_counts_stream_and_retries_and_puts_a_wrong_number_right_only_when_asked() {
    let world = World::start().await;
    for _ in 0..3 {
        world.admit(&batch(&[1; 900])).await;
    }
    world.admit(&batch(&[3])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 2).await;
    let retried = Retried { position: 0, payload: Vec::new(), attempts: 1, delay: SOON };
    world.settle(&leases[0], &Settlement { retried: vec![retried], ..Settlement::default() }).await;
    world.settle(&leases[1], &all_recorded(&leases[1])).await;
    let right = 2 + 3 * 900 - 1 + 1;
    assert_eq!(world.queue.check(false).await.unwrap(), exact(right, right));

    let _: () = world.run(&["SET", "caudal:{facturas}:backlog", "7"]).await;
    assert_eq!(world.queue.check(false).await.unwrap(), exact(7, right));
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 7);
    assert_eq!(world.queue.check(true).await.unwrap(), exact(7, right));
    assert_eq!(world.queue.backlog().await.unwrap().invoices, right);
}

fn exact(stated: u64, counted: u64) -> Check {
    Check { stated: Some(stated), counted, newer: 0, exact: true }
}

#[tokio::test]
async fn a_check_counts_nothing_for_what_no_admission_wrote_and_repairs_nothing_beside_what_is_newer() {
    let world = World::start().await;
    world.admit(&batch(&[3])).await;
    let torn = format!("\u{1}{}", "x".repeat(19));
    // Whole but for the trace context, whose length it says is 120.
    let torn_later = format!("\u{1}{}", "x".repeat(60));
    for bytes in ["", "\u{1}", &torn, &torn_later, "a text, and long enough to hold a count in its place"] {
        let _: String = world.run(&["XADD", "caudal:{facturas}:stream", "*", "e", bytes]).await;
    }
    let foreign: u64 = world.run(&["XLEN", "caudal:{facturas}:stream"]).await;
    assert_eq!(foreign, 6);
    // The text begins with a letter: an entry of a newer format, for all one knows.
    assert_eq!(world.queue.check(true).await.unwrap(), Check { newer: 1, ..exact(3, 3) });

    let _: () = world.run(&["SET", "caudal:{facturas}:backlog", "7"]).await;
    assert_eq!(world.queue.check(true).await.unwrap(), Check { newer: 1, ..exact(7, 3) });
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 7);
}

#[tokio::test]
async fn a_check_of_an_empty_redis_makes_no_key() {
    let world = World::start().await;
    assert_eq!(world.queue.check(false).await.unwrap(), exact(0, 0));
    assert_eq!(world.queue.tidy().await.unwrap(), 0);
    assert_eq!(world.key_count().await, 0);
}

#[tokio::test]
async fn only_consumers_that_hold_nothing_and_are_long_gone_are_tidied_away() {
    let world = World::start().await;
    let _gone = has_worked(&world, "pod/gone").await;
    world.admit(&batch(&[1, 1])).await;
    let holding = lease(&mut world.queue.consumer("pod/holding"), 1).await;
    let given_back = lease(&mut world.queue.consumer("pod/back"), 1).await;
    world.queue.release(&[&given_back[0]]).await.unwrap();
    assert_eq!(world.queue.tidy().await.unwrap(), 0);
    assert_eq!(consumers(&world).await, ["pod/back", "pod/gone", "pod/holding", "released"]);

    sleep(LEASE * 4).await;
    let mut alive = has_worked(&world, "pod/alive").await;
    assert_eq!(world.queue.tidy().await.unwrap(), 2);
    assert_eq!(consumers(&world).await, ["pod/alive", "pod/holding", "released"]);
    assert_eq!(world.settle(&holding[0], &all_recorded(&holding[0])).await, Settled::Done);
    assert_eq!(alive.reclaim(1).await.unwrap().leases.len(), 1);
}

#[tokio::test]
async fn a_worker_that_ends_takes_its_name_along_unless_it_holds_something() {
    let world = World::start().await;
    let empty = has_worked(&world, "pod/empty").await;
    world.admit(&batch(&[1])).await;
    let mut ends = world.queue.consumer("pod/ends");
    assert_eq!(lease(&mut ends, 1).await.len(), 1);
    assert_eq!(consumers(&world).await, ["pod/empty", "pod/ends"]);
    empty.leave().await.unwrap();
    ends.leave().await.unwrap();
    assert_eq!(consumers(&world).await, ["pod/ends"]);
}

/// A consumer that Redis knows: it has had a chunk.
async fn has_worked(world: &World, name: &str) -> Consumer {
    world.admit(&batch(&[1])).await;
    let mut consumer = world.queue.consumer(name);
    for lease in lease(&mut consumer, 1).await {
        assert_eq!(world.settle(&lease, &all_recorded(&lease)).await, Settled::Done);
    }
    consumer
}

async fn consumers(world: &World) -> Vec<String> {
    let found: redis::streams::StreamInfoConsumersReply =
        world.run(&["XINFO", "CONSUMERS", "caudal:{facturas}:stream", "workers"]).await;
    let mut names: Vec<_> = found.consumers.into_iter().map(|consumer| consumer.name).collect();
    names.sort();
    names
}
