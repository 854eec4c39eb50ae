//! More than fits in one call: recounting, dead letters, what is taken over from the original service.

use std::{collections::BTreeSet, time::Duration};

use caudal_queue::{Check, EntryId, Original, Rejected, Retried, Settled, Settlement};
use caudal_testkit::wait;
use redis::pipe;

use crate::world::{SOON, World, all_recorded, batch, lease};

/// More than two pages of a recount.
const MANY: u32 = 4_100;
const BACKLOG: &str = "caudal:{facturas}:backlog";

#[tokio::test]
async fn a_recount_goes_through_retries_and_stream_page_by_page() {
    let world = World::start().await;
    world.admit(&batch(&[MANY])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let retried = |position| Retried { position, payload: Vec::new(), attempts: 1, delay: Duration::from_secs(60) };
    let settlement = Settlement { retried: (0..MANY).map(retried).collect(), ..Settlement::default() };
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Done);
    world.admit(&batch(&[2; MANY as usize])).await;

    let right = u64::from(3 * MANY);
    assert_eq!(
        world.queue.check(false).await.unwrap(),
        Check { stated: Some(right), counted: right, newer: 0, exact: true }
    );
    let _: () = world.run(&["SET", BACKLOG, "7"]).await;
    assert_eq!(
        world.queue.check(true).await.unwrap(),
        Check { stated: Some(7), counted: right, newer: 0, exact: true }
    );
    assert_eq!(world.queue.backlog().await.unwrap().invoices, right);
}

#[tokio::test]
async fn a_recount_that_was_disturbed_repairs_nothing_and_the_next_one_does() {
    let world = World::start().await;
    world.admit(&batch(&[1; MANY as usize])).await;
    let mut held = lease(&mut world.queue.consumer("pod/1"), 2_000).await;
    // Where the settlement comes before or after all its pages, a recount is exact and mends the number.
    let mut left = u64::from(MANY);
    let disturbed = wait::until("a recount that is not exact", SOON, async || {
        let _: () = world.run(&["SET", BACKLOG, &(left + 7).to_string()]).await;
        let lease = held.pop().unwrap();
        let recorded = all_recorded(&lease);
        let (checked, settled) = tokio::join!(world.queue.check(true), world.settle(&lease, &recorded));
        assert_eq!(settled, Settled::Done);
        left -= 1;
        let checked = checked.unwrap();
        if checked.exact { Err(checked) } else { Ok(()) }
    });
    disturbed.await.unwrap();
    let stated = left + 7;
    assert_eq!(world.queue.backlog().await.unwrap().invoices, stated);
    assert_eq!(
        world.queue.check(true).await.unwrap(),
        Check { stated: Some(stated), counted: left, newer: 0, exact: true }
    );
    assert_eq!(world.queue.backlog().await.unwrap().invoices, left);
}

#[tokio::test]
async fn more_than_a_thousand_dead_letters_are_listed_retried_and_dropped() {
    let world = World::start().await;
    world.admit(&batch(&[2_100])).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 1).await;
    let rejected = |position| Rejected {
        position,
        count: 1,
        number: position.to_string(),
        code: "refused".to_owned(),
        detail: String::new(),
        payload: Vec::new(),
    };
    let settlement = Settlement { rejected: (0..2_100).map(rejected).collect(), ..Settlement::default() };
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Done);

    let mut letters = Vec::new();
    loop {
        let after: Option<EntryId> = letters.last().map(|(id, _)| *id);
        let page = world.queue.dead_letters(after.as_ref(), 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        letters.extend(page.into_iter().map(|letter| (letter.id, letter.position)));
    }
    assert!(letters.iter().map(|(_, position)| *position).eq(0..2_100));

    let ids: Vec<_> = letters.iter().map(|(id, _)| *id).collect();
    assert_eq!(world.queue.retry_dead(&ids[..1_050]).await.unwrap(), 1_050);
    assert_eq!(world.queue.drop_dead(&ids).await.unwrap(), 1_050);
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.waiting_chunks, backlog.dead), (1_050, 1_050, 0));
    assert!(lease(&mut consumer, 1_050).await.iter().map(|lease| lease.position).eq(0..1_050));
}

#[tokio::test]
async fn thousands_of_keys_and_dozens_of_messages_of_the_original_are_all_seen() {
    let world = World::start().await;
    let mut left_behind = pipe();
    for number in 0..2_500 {
        left_behind.cmd("SET").arg(format!("idempotency:{number}")).arg("1").arg("EX").arg(100).ignore();
    }
    for number in 0..50 {
        left_behind.cmd("LPUSH").arg("celery").arg(number).ignore();
    }
    let () = left_behind.query_async(&mut world.client.shared()).await.unwrap();
    let original = Original::new(&world.client);

    let (mut keys, mut cursor) = (BTreeSet::new(), 0);
    loop {
        let (page, next) = original.keys(cursor).await.unwrap();
        keys.extend(page.into_iter().map(|key| key.key));
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(keys.len(), 2_500);

    let mut messages = Vec::new();
    loop {
        let page = original.waiting(messages.len()).await.unwrap();
        if page.is_empty() {
            break;
        }
        messages.extend(page.into_iter().map(|message| String::from_utf8(message.bytes).unwrap()));
    }
    assert!(messages.into_iter().eq((0..50).map(|number: u32| number.to_string())));
}
