//! Batches get recorded, and each of their invoices is accounted for.

use caudal_invoice::chunk;
use caudal_queue::{Backlog, Chunk};

use crate::world::{RUT, World, invoice, invoices};

#[tokio::test]
async fn batches_are_recorded_and_leave_nothing_in_the_queue() {
    let world = World::start().await;
    let large = world.admit(&invoices(3_000), 250).await;
    let same_again = world.admit(&invoices(10), 1).await;
    let worker = world.worker();

    let large = world.finished(large).await;
    let same_again = world.finished(same_again).await;

    assert_eq!((large.recorded, large.unchanged, large.rejected), (3_000, 0, 0));
    assert_eq!((same_again.recorded, same_again.unchanged, same_again.rejected), (0, 10, 0));
    let client = world.client(RUT).await;
    assert_eq!((client.balance, client.count), ("3000".parse().unwrap(), 3_000));
    assert_eq!(world.queue.backlog().await.unwrap(), Backlog { settled: 3_010, ..Backlog::default() });
    assert!(worker.probes.is_ready());
    worker.end().await;
}

#[tokio::test]
async fn an_invoice_that_postgresql_refuses_is_buried_alone() {
    let world = World::start().await;
    world.sql("ALTER TABLE invoices ADD CONSTRAINT small_enough CHECK (amount < 1000)");
    let mut given = invoices(500);
    given[123] = invoice("BAD-1", "1243");
    given[387] = invoice("BAD-2", "1000");
    let batch = world.admit(&given, 100).await;
    let worker = world.worker();

    let status = world.finished(batch).await;

    assert_eq!((status.recorded, status.unchanged, status.rejected), (498, 0, 2));
    let buried: Vec<_> = status.rejections.iter().map(|one| (one.position, one.number.as_str())).collect();
    assert_eq!(buried, [(123, "BAD-1"), (387, "BAD-2")]);
    assert!(status.rejections.iter().all(|one| one.detail.contains("small_enough")));
    assert_eq!(world.client(RUT).await.balance, "498".parse().unwrap());
    assert_eq!(world.queue.backlog().await.unwrap().dead, 2);
    worker.end().await;
}

#[tokio::test]
async fn a_damaged_chunk_is_buried_and_the_rest_of_its_batch_recorded() {
    let world = World::start().await;
    let good = chunk::encode(&invoices(2));
    let torn = good[..good.len() - 3].to_vec();
    let chunks = [good, torn].map(|payload| Chunk { payload, count: 2 });
    let batch = world.admit_chunks(chunks.into()).await;
    let worker = world.worker();

    let status = world.finished(batch).await;

    assert_eq!((status.recorded, status.rejected), (2, 2));
    let positions: Vec<_> = status.rejections.iter().map(|one| one.position).collect();
    assert_eq!(positions, [2, 3]);
    worker.end().await;
}

#[tokio::test]
async fn a_chunk_of_a_newer_format_stays_in_the_queue_and_holds_nothing_up() {
    let world = World::start().await;
    let newer = world.admit_chunks(vec![Chunk { payload: vec![255, 1, 2], count: 5 }]).await;
    let worker = world.worker();
    let known = world.admit(&invoices(3), 1).await;

    assert_eq!(world.finished(known).await.recorded, 3);

    let status = world.queue.status(newer).await.unwrap().unwrap();
    assert_eq!((status.recorded, status.unchanged, status.rejected), (0, 0, 0));
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 5);
    worker.end().await;
}
