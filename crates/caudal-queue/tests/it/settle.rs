//! Settling: counted once, finished with the last invoice, rejected ones buried.

use std::time::Duration;

use caudal_queue::{Error, Lease, Queue, Rejected, Rejection, Retried, Settled, Settlement, Status};

use crate::world::{World, all_recorded, batch, lease};

pub(crate) async fn settle_all(queue: &Queue, leases: Vec<Lease>) {
    for lease in leases {
        assert_eq!(queue.settle(&[(&lease, &all_recorded(&lease))]).await.unwrap(), [Settled::Done]);
    }
}

fn rejected(position: u32, number: &str) -> Rejected {
    Rejected {
        position,
        count: 1,
        number: number.to_owned(),
        code: "numeric_value_out_of_range".to_owned(),
        detail: "numeric field overflow".to_owned(),
        payload: format!("payload of {number}").into_bytes(),
    }
}

fn retried(position: u32) -> Retried {
    Retried { position, payload: b"later".to_vec(), attempts: 1, delay: Duration::from_secs(1) }
}

#[tokio::test]
async fn a_batch_is_finished_with_its_last_invoice_and_its_status_kept_for_a_day() {
    let world = World::start().await;
    let sent = batch(&[3, 2]);
    world.admit(&sent).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 2).await;

    let first = Settlement { recorded: 1, unchanged: 2, ..Settlement::default() };
    assert_eq!(world.settle(&leases[0], &first).await, Settled::Done);
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((status.recorded, status.unchanged, status.finished_at), (1, 2, None));
    assert_eq!(world.status_ttl(sent.id).await, -1);
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 2);

    assert_eq!(world.settle(&leases[1], &all_recorded(&leases[1])).await, Settled::Done);
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((status.recorded, status.unchanged), (3, 2));
    assert!(status.finished_at.unwrap() >= status.received_at);
    let day = 24 * 60 * 60;
    assert!((day - 60..=day).contains(&world.status_ttl(sent.id).await));
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 0);
}

#[tokio::test]
async fn a_second_settlement_changes_nothing() {
    let world = World::start().await;
    let sent = batch(&[3, 3]);
    world.admit(&sent).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let settlement = Settlement { recorded: 2, rejected: vec![rejected(2, "F-3")], ..Settlement::default() };
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Done);
    let before = (world.queue.status(sent.id).await.unwrap(), world.queue.backlog().await.unwrap());
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Lost);
    let after = (world.queue.status(sent.id).await.unwrap(), world.queue.backlog().await.unwrap());
    assert_eq!(before, after);
    assert_eq!((after.1.invoices, after.1.dead), (3, 1));
}

#[tokio::test]
async fn rejected_invoices_are_listed_by_position_and_buried_with_all_that_a_retry_needs() {
    let world = World::start().await;
    let sent = batch(&[2, 3]);
    world.admit(&sent).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 2).await;
    let settlement =
        Settlement { recorded: 1, rejected: vec![rejected(4, "F-4"), rejected(2, "F-2")], ..Settlement::default() };
    world.settle(&leases[1], &settlement).await;

    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    let rejection = |position, number: &str| Rejection {
        position,
        number: number.to_owned(),
        code: "numeric_value_out_of_range".to_owned(),
        detail: "numeric field overflow".to_owned(),
    };
    assert_eq!((status.rejected, status.rejections), (2, vec![rejection(2, "F-2"), rejection(4, "F-4")]));
    let letters = world.queue.dead_letters(None, 10).await.unwrap();
    let [first, second] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((first.payload.as_slice(), first.number.as_str()), (b"payload of F-4".as_slice(), "F-4"));
    assert_eq!((first.code.as_str(), first.detail.as_str()), ("numeric_value_out_of_range", "numeric field overflow"));
    assert_eq!((first.batch, first.position, first.version), (sent.id, 4, leases[0].version + 4));
    assert_eq!((first.count, first.attempts, first.received_at), (1, 1, status.received_at));
    assert_eq!((second.position, second.number.as_str()), (2, "F-2"));
}

#[tokio::test]
async fn a_status_lists_a_thousand_rejections_and_counts_and_buries_them_all() {
    let world = World::start().await;
    let sent = batch(&[1_200]);
    world.admit(&sent).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let all = (0..1_200).map(|position| rejected(position, "F")).collect();
    let settlement = Settlement { rejected: all, ..Settlement::default() };
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Done);
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((status.rejected, status.rejections.len()), (1_200, 1_000));
    assert!(status.finished_at.is_some());
    assert_eq!(world.queue.backlog().await.unwrap().dead, 1_200);
}

#[tokio::test]
async fn batches_with_equal_statuses_that_are_settled_in_one_call_keep_each_its_own_outcome() {
    let world = World::start().await;
    // Each differs from the one before in one number alone, but for the second.
    let later = Settlement { recorded: 1, retried: vec![retried(1)], ..Settlement::default() };
    let settlements = [
        Settlement { recorded: 2, ..Settlement::default() },
        Settlement { recorded: 2, ..Settlement::default() },
        later.clone(),
        Settlement { recorded: 1, unchanged: 1, ..Settlement::default() },
        later,
        Settlement { recorded: 1, rejected: vec![rejected(1, "F-1")], ..Settlement::default() },
    ];
    let sent: Vec<_> = settlements.iter().map(|_| batch(&[2])).collect();
    for sent in &sent {
        world.admit(sent).await;
        world.set_status(sent.id, "2 0 0 0 1790000000000 0 ").await;
    }
    let leases = lease(&mut world.queue.consumer("pod/1"), sent.len()).await;
    let ends: Vec<_> = leases.iter().zip(&settlements).collect();
    assert_eq!(world.queue.settle(&ends).await.unwrap(), [Settled::Done; 6]);

    let mut found = Vec::new();
    for sent in &sent {
        let status = world.queue.status(sent.id).await.unwrap().unwrap();
        let Status { recorded, unchanged, rejected, rejections, finished_at, .. } = status;
        found.push((recorded, unchanged, rejected, rejections.len(), finished_at.is_some()));
    }
    let (all, some) = ((2, 0, 0, 0, true), (1, 0, 0, 0, false));
    assert_eq!(found, [all, all, some, (1, 1, 0, 0, true), some, (1, 0, 1, 1, true)]);
    assert!(world.rejected_ttl(sent[5].id).await > 0);
}

#[tokio::test]
async fn a_settlement_that_does_not_add_up_changes_nothing() {
    let world = World::start().await;
    world.admit(&batch(&[3])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let short = Settlement { recorded: 2, ..Settlement::default() };
    let error = world.queue.settle(&[(&leases[0], &short)]).await.unwrap_err();
    assert!(matches!(error, Error::Miscounted { named: 2, held: 3 }), "{error:?}");
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 3);
}

#[tokio::test]
async fn a_lease_of_a_flushed_queue_is_lost() {
    let world = World::start().await;
    world.admit(&batch(&[3])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let _: () = world.run(&["FLUSHALL"]).await;
    assert_eq!(world.settle(&leases[0], &all_recorded(&leases[0])).await, Settled::Lost);
    assert_eq!(world.queue.renew(&[&leases[0]]).await.unwrap().len(), 1);
    world.queue.release(&[&leases[0]]).await.unwrap();
    assert_eq!(world.key_count().await, 0);
}
