//! Retries: they wait their time, come back as they were, and stay in the backlog meanwhile.

use std::time::Duration;

use caudal_queue::{Batch, Chunk, Consumer, Lease, Retried, Settled, Settlement};
use caudal_testkit::wait;
use chrono::{TimeDelta, Utc};

use crate::world::{SOON, World, all_recorded, batch, lease, reclaim};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// The entries by the time they are due.
const RETRY: &str = "caudal:{facturas}:retry";

fn retried(position: u32, attempts: u32, delay: Duration) -> Retried {
    Retried { position, payload: format!("invoice {position}").into_bytes(), attempts, delay }
}

fn retry(retried: Retried, recorded: u32) -> Settlement {
    Settlement { recorded, retried: vec![retried], ..Settlement::default() }
}

async fn promoted(consumer: &mut Consumer, count: u64) {
    let mut seen = 0;
    wait::until("retries that are due", SOON, async || {
        seen += consumer.promote().await.unwrap();
        if seen == count { Ok(()) } else { Err(seen) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_retried_invoice_waits_its_time_in_the_backlog_and_comes_back_as_it_was() {
    let world = World::start().await;
    let sent = Batch { traceparent: Some(TRACE.to_owned()), ..batch(&[2, 3]) };
    world.admit(&sent).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 2).await;
    let asked = Utc::now();
    let delay = Duration::from_secs(60);
    assert_eq!(world.settle(&leases[1], &retry(retried(3, 4, delay), 2)).await, Settled::Done);

    let seen = world.queue.backlog().await.unwrap();
    assert_eq!((seen.invoices, seen.retry_invoices, seen.in_flight_chunks), (3, 1, 1));
    let wait = seen.next_due.unwrap() - asked;
    assert!((TimeDelta::milliseconds(59_999)..TimeDelta::seconds(60 + 30)).contains(&wait), "{wait}");
    assert_eq!(consumer.promote().await.unwrap(), 0);

    let _: u64 = world.run(&["ZUNIONSTORE", RETRY, "1", RETRY, "WEIGHTS", "0"]).await;
    promoted(&mut consumer, 1).await;
    let again = lease(&mut consumer, 1).await.remove(0);
    assert_eq!((again.position, again.count, again.attempts, again.suspect), (3, 1, 4, false));
    assert_eq!((again.batch, again.version), (sent.id, leases[1].version + 1));
    assert_eq!((again.received_at, &again.traceparent), (leases[1].received_at, &sent.traceparent));
    assert_eq!(again.payload, b"invoice 3");
    for lease in [&leases[0], &again] {
        world.settle(lease, &all_recorded(lease)).await;
    }
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((status.recorded, status.finished_at.is_some()), (5, true));
    let left = world.queue.backlog().await.unwrap();
    assert_eq!((left.invoices, left.retry_invoices, left.next_due), (0, 0, None));
}

#[tokio::test]
async fn retries_come_due_by_their_time_and_keep_the_versions_of_their_batches() {
    let world = World::start().await;
    world.admit(&batch(&[1, 1, 1])).await;
    let mut consumer = world.queue.consumer("pod/1");
    let first = lease(&mut consumer, 3).await;
    let put_off: Vec<_> = first
        .iter()
        .zip([300, 200, 1])
        .map(|(lease, millis)| retry(retried(lease.position, 1, Duration::from_millis(millis)), 0))
        .collect();
    let ends: Vec<_> = first.iter().zip(&put_off).collect();
    assert_eq!(world.queue.settle(&ends).await.unwrap(), [Settled::Done; 3]);
    world.admit(&batch(&[1])).await;
    promoted(&mut consumer, 3).await;
    let order = lease(&mut consumer, 4).await;
    let positions: Vec<_> = order.iter().map(|lease| (lease.position, lease.attempts)).collect();
    assert_eq!(positions, [(0, 0), (2, 1), (1, 1), (0, 1)]);
    assert!(order[1..].iter().all(|lease| lease.version < order[0].version));
    assert_eq!(order[3].version, first[0].version);
}

#[tokio::test]
async fn what_is_due_counts_as_work_before_any_worker_has_looked() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    world.settle(&leases[0], &retry(retried(0, 1, Duration::from_millis(1)), 0)).await;
    wait::until("a retry that is due", SOON, async || {
        let seen = world.queue.backlog().await.unwrap();
        if (seen.retry_invoices, seen.next_due) == (0, None) { Ok(()) } else { Err(seen) }
    })
    .await
    .unwrap();
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 1);
}

#[tokio::test]
async fn retries_are_promoted_on_a_full_redis() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 1).await;
    let _: () = world.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    world.settle(&leases[0], &retry(retried(0, 1, Duration::ZERO), 0)).await;
    promoted(&mut consumer, 1).await;
    assert_eq!(lease(&mut consumer, 1).await[0].attempts, 1);
}

#[tokio::test]
async fn a_chunk_is_split_into_suspects_with_its_versions_and_the_backlog_stays() {
    let world = World::start().await;
    let sent = batch(&[2, 3]);
    world.admit(&sent).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 2).await;
    let parts: Vec<_> = (0..3).map(|part| Chunk { payload: vec![part], count: 1 }).collect();
    assert_eq!(world.queue.split(&leases[1], &parts).await.unwrap(), Settled::Done);
    assert_eq!(world.queue.split(&leases[1], &parts).await.unwrap(), Settled::Lost);
    assert_eq!(world.settle(&leases[1], &all_recorded(&leases[1])).await, Settled::Lost);
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 5);

    let suspects = lease(&mut consumer, 3).await;
    for (suspect, part) in suspects.iter().zip(0..) {
        assert_eq!((suspect.suspect, suspect.count, suspect.position), (true, 1, 2 + part));
        assert_eq!((suspect.version, suspect.batch), (leases[1].version + i64::from(part), sent.id));
        assert_eq!(suspect.payload, [u8::try_from(part).unwrap()]);
    }
    assert!(matches!(
        world.queue.split(&suspects[0], &parts).await,
        Err(caudal_queue::Error::Miscounted { named: 3, held: 1 })
    ));
}

#[tokio::test]
async fn tries_of_a_suspect_are_counted_through_its_workers_deaths_but_not_those_that_end_with_its_return() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let mut other = world.settled_in("pod/2").await;
    let dead = lease(&mut world.queue.consumer("pod/1"), 1).await.remove(0);
    assert_eq!(world.queue.mark(&dead).await.unwrap(), 1);
    let taken = reclaim(&mut other, 1).await.remove(0);
    assert_eq!(world.queue.mark(&taken).await.unwrap(), 2);
    assert_eq!(world.queue.mark(&dead).await.unwrap(), 0);

    world.queue.release(&[&taken]).await.unwrap();
    let mut third = world.queue.consumer("pod/3");
    let untried = reclaim(&mut third, 1).await.remove(0);
    world.queue.release(&[&untried]).await.unwrap();
    let again = reclaim(&mut other, 1).await.remove(0);
    assert_eq!(world.queue.mark(&again).await.unwrap(), 2);
    assert_eq!(counted(&world).await, 1);
    settle(&world, &again).await;
    assert_eq!(counted(&world).await, 0);
}

async fn counted(world: &World) -> u64 {
    world.run(&["HLEN", "caudal:{facturas}:deaths"]).await
}

async fn settle(world: &World, lease: &Lease) {
    assert_eq!(world.settle(lease, &all_recorded(lease)).await, Settled::Done);
}
