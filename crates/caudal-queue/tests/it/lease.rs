//! Leases: whose a chunk is, and when it becomes another's.

use std::time::Duration;

use caudal_queue::{Rejected, Settled, Settlement};
use caudal_testkit::wait;
use tokio::time::{Instant, sleep};

use crate::world::{LEASE, SOON, World, all_recorded, batch, lease, reclaim};

#[tokio::test]
async fn a_chunk_goes_to_one_consumer_and_is_gone_once_settled() {
    let world = World::start().await;
    world.admit(&batch(&[4])).await;
    let (mut one, mut two) = (world.queue.consumer("pod/1"), world.queue.consumer("pod/2"));
    let leases = lease(&mut one, 1).await;
    assert_eq!(two.lease(1, Duration::from_millis(50)).await.unwrap().len(), 0);
    assert_eq!(world.settle(&leases[0], &all_recorded(&leases[0])).await, Settled::Done);
    let length: u64 = world.run(&["XLEN", "caudal:{facturas}:stream"]).await;
    assert_eq!(length, 0);
}

#[tokio::test]
async fn a_dead_workers_chunk_is_taken_by_another_and_the_worker_that_wakes_changes_nothing() {
    let world = World::start().await;
    let sent = batch(&[4]);
    world.admit(&sent).await;
    let zombie = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let mut other = world.settled_in("pod/2").await;
    let taken = reclaim(&mut other, 1).await;
    assert_eq!((&taken[0].id, taken[0].deliveries), (&zombie[0].id, 2));
    assert_eq!((&taken[0].payload, taken[0].version), (&zombie[0].payload, zombie[0].version));

    assert_eq!(world.settle(&zombie[0], &all_recorded(&zombie[0])).await, Settled::Lost);
    assert_eq!(world.queue.renew(&[&zombie[0]]).await.unwrap().len(), 1);
    world.queue.release(&[&zombie[0]]).await.unwrap();
    assert_eq!(world.queue.status(sent.id).await.unwrap().unwrap().recorded, 0);
    assert_eq!(world.queue.renew(&[&taken[0]]).await.unwrap().len(), 0);
    assert_eq!(world.settle(&taken[0], &all_recorded(&taken[0])).await, Settled::Done);
    assert_eq!(world.queue.status(sent.id).await.unwrap().unwrap().recorded, 4);
}

#[tokio::test]
async fn a_renewed_lease_is_not_taken_however_long_the_work_lasts() {
    wait::until("a machine that does not stand still", SOON * 3, keeping_a_lease).await.unwrap();
}

/// Renews a lease that another would take. An error if the machine stood still for so long that it was the other's by right.
async fn keeping_a_lease() -> Result<(), Duration> {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let mine = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let mut other = world.settled_in("pod/2").await;
    let end = Instant::now() + LEASE * 3;
    while Instant::now() < end {
        let renewed = Instant::now();
        assert_eq!(world.queue.renew(&[&mine[0]]).await.unwrap().len(), 0);
        let taken = other.reclaim(10).await.unwrap().leases.len();
        if renewed.elapsed() >= LEASE {
            return Err(renewed.elapsed());
        }
        assert_eq!(taken, 0);
        sleep(LEASE / 6).await;
    }
    assert_eq!(world.settle(&mine[0], &all_recorded(&mine[0])).await, Settled::Done);
    Ok(())
}

#[tokio::test]
async fn a_released_chunk_is_anothers_at_once_and_the_delivery_is_not_counted() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let mine = lease(&mut world.queue.consumer("pod/1"), 1).await;
    world.queue.release(&[&mine[0]]).await.unwrap();
    let taken = world.queue.consumer("pod/2").reclaim(1).await.unwrap().leases;
    assert_eq!((&taken[0].id, taken[0].deliveries), (&mine[0].id, 1));
    assert_eq!(world.settle(&mine[0], &all_recorded(&mine[0])).await, Settled::Lost);
}

#[tokio::test]
async fn what_a_consumer_gave_back_it_takes_again_only_after_a_lease_time() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 1).await;
    let released = Instant::now();
    for lease in leases {
        world.queue.release(&[&lease]).await.unwrap();
    }
    reclaim(&mut consumer, 1).await;
    assert!(released.elapsed() >= LEASE);
}

#[tokio::test]
async fn what_was_one_too_many_a_consumer_may_take_again_at_once() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let mut consumer = world.queue.consumer("pod/1");
    for lease in lease(&mut consumer, 1).await {
        world.queue.release_spare(&[&lease]).await.unwrap();
    }
    let again = consumer.reclaim(1).await.unwrap().leases;
    assert_eq!(again.iter().map(|lease| lease.deliveries).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn what_a_process_holds_it_never_reclaims_from_itself_but_what_it_dropped_it_does() {
    let world = World::start().await;
    world.admit(&batch(&[1, 1])).await;
    let mut consumer = world.settled_in("pod/1").await;
    let mut leases = lease(&mut consumer, 2).await;
    let dropped = leases.pop().unwrap().id;
    sleep(LEASE + LEASE / 2).await;
    let taken = consumer.reclaim(10).await.unwrap().leases;
    assert_eq!(taken.iter().map(|lease| &lease.id).collect::<Vec<_>>(), [&dropped]);
}

#[tokio::test]
async fn a_reclaim_finds_the_dead_behind_hundreds_of_entries_it_holds_itself() {
    let world = World::start().await;
    world.admit(&batch(&[1; 250])).await;
    let mut holder = world.settled_in("pod/1").await;
    let held = lease(&mut holder, 250).await;
    world.admit(&batch(&[2])).await;
    let orphan = lease(&mut world.queue.consumer("pod/2"), 1).await.remove(0).id;
    sleep(LEASE + LEASE / 2).await;
    let taken = holder.reclaim(10).await.unwrap().leases;
    assert_eq!(taken.iter().map(|lease| &lease.id).collect::<Vec<_>>(), [&orphan]);
    assert_eq!(held.len(), 250);
}

#[tokio::test]
async fn a_reclaim_takes_no_more_than_it_was_asked_for() {
    let world = World::start().await;
    world.admit(&batch(&[1; 5])).await;
    for lease in lease(&mut world.queue.consumer("pod/1"), 5).await {
        world.queue.release(&[&lease]).await.unwrap();
    }
    let mut other = world.queue.consumer("pod/2");
    assert_eq!(other.reclaim(3).await.unwrap().leases.len(), 3);
    assert_eq!(other.reclaim(3).await.unwrap().leases.len(), 2);
}

#[tokio::test]
async fn an_entry_deleted_in_flight_is_reported_once() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let lost = lease(&mut world.queue.consumer("pod/1"), 1).await.remove(0).id;
    let _: u64 = world.run(&["XDEL", "caudal:{facturas}:stream", &lost.to_string()]).await;
    let mut other = world.settled_in("pod/2").await;
    sleep(LEASE).await;
    let reclaimed = other.reclaim(10).await.unwrap();
    assert_eq!((reclaimed.leases.len(), reclaimed.vanished), (0, vec![lost]));
    assert_eq!(other.reclaim(10).await.unwrap().vanished, []);
}

#[tokio::test]
async fn an_entry_that_no_admission_wrote_is_leased_so_that_it_can_be_buried_with_its_bytes() {
    let world = World::start().await;
    let _: String = world.run(&["XADD", "caudal:{facturas}:stream", "*", "what", "ever"]).await;
    let lease = lease(&mut world.queue.consumer("pod/1"), 1).await.remove(0);
    assert_eq!((lease.count, lease.payload.as_slice()), (0, b"what=ever\n".as_slice()));
    let rejected = Rejected {
        position: 0,
        count: 0,
        number: String::new(),
        code: "damaged".to_owned(),
        detail: "no admission wrote it".to_owned(),
        payload: lease.payload.clone(),
    };
    let settlement = Settlement { rejected: vec![rejected], ..Settlement::default() };
    assert_eq!(world.settle(&lease, &settlement).await, Settled::Done);
    let letter = world.queue.dead_letters(None, 1).await.unwrap().remove(0);
    assert_eq!((letter.count, letter.payload), (0, lease.payload.clone()));
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 0);
}
