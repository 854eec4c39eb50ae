//! Dead letters: looked at page by page, tried again with the version they had, or dropped.

use caudal_queue::{Batch, DeadLetter, Rejected, Settled, Settlement};
use caudal_testkit::wait;
use futures_util::StreamExt;

use crate::world::{ROOMY, SOON, World, all_recorded, batch, lease};

fn rejected(position: u32, count: u32) -> Rejected {
    Rejected {
        position,
        count,
        number: format!("F-{position}"),
        code: "check_violation".to_owned(),
        detail: "the amount is too large".to_owned(),
        payload: format!("invoice {position}").into_bytes(),
    }
}

/// A batch of `count` invoices in one chunk, of which the last `buried` are dead letters.
async fn buried(world: &World, count: u32, buried: u32) -> (Batch, Vec<DeadLetter>) {
    let sent = batch(&[count]);
    world.admit(&sent).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    let recorded = count - buried;
    let settlement = Settlement {
        recorded,
        rejected: (recorded..count).map(|at| rejected(at, 1)).collect(),
        ..Settlement::default()
    };
    assert_eq!(world.settle(&leases[0], &settlement).await, Settled::Done);
    (sent, world.queue.dead_letters(None, 1_000).await.unwrap())
}

#[tokio::test]
async fn dead_letters_are_told_page_by_page_and_one_by_one() {
    let world = World::start().await;
    let (_, all) = buried(&world, 7, 7).await;
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = world.queue.dead_letters(after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        pages.push(page);
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), all);
    assert_eq!(world.queue.dead_letter(&all[4].id).await.unwrap().as_ref(), Some(&all[4]));
    assert_eq!(world.queue.dead_letter(&"1-1".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn a_retried_letter_leaves_the_rejected_and_is_recorded_with_its_own_version() {
    let world = World::start().await;
    let (sent, letters) = buried(&world, 5, 2).await;
    let before = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((before.rejected, before.finished_at.is_some()), (2, true));

    assert_eq!(world.queue.retry_dead(&[letters[0].id]).await.unwrap(), 1);
    let open = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((open.recorded, open.rejected, open.finished_at), (3, 1, None));
    assert_eq!(open.rejections.iter().map(|one| one.position).collect::<Vec<_>>(), [4]);
    assert_eq!(world.status_ttl(sent.id).await, -1);
    assert_eq!(world.rejected_ttl(sent.id).await, -1);
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.dead), (1, 1));

    let again = lease(&mut world.queue.consumer("pod/1"), 1).await.remove(0);
    assert_eq!((again.version, again.position, again.attempts), (letters[0].version, 3, 0));
    assert_eq!((again.batch, again.payload.as_slice()), (sent.id, b"invoice 3".as_slice()));
    world.settle(&again, &all_recorded(&again)).await;
    let after = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((after.recorded, after.rejected, after.finished_at.is_some()), (4, 1, true));
    assert!(world.status_ttl(sent.id).await > 0 && world.rejected_ttl(sent.id).await > 0);
}

#[tokio::test]
async fn letters_that_are_asked_for_twice_or_are_gone_come_back_once() {
    let world = World::start().await;
    let (sent, letters) = buried(&world, 3, 3).await;
    let ids: Vec<_> = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(world.queue.drop_dead(&ids[..1]).await.unwrap(), 1);
    assert_eq!(world.queue.retry_dead(&[ids[0], ids[1], ids[1], ids[2]]).await.unwrap(), 2);
    assert_eq!(world.queue.retry_dead(&ids).await.unwrap(), 0);
    assert_eq!(world.queue.drop_dead(&ids).await.unwrap(), 0);
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.waiting_chunks, backlog.dead), (2, 2, 0));
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((status.rejected, status.rejections.len()), (1, 1));
}

#[tokio::test]
async fn a_letter_is_retried_though_its_status_is_long_gone() {
    let world = World::start().await;
    let (sent, letters) = buried(&world, 2, 1).await;
    for kind in ["lote", "rejected"] {
        let key = [format!("caudal:{{facturas}}:{kind}:").as_bytes(), sent.id.as_bytes()].concat();
        let _: u64 = redis::cmd("DEL").arg(key).query_async(&mut world.client.shared()).await.unwrap();
    }
    assert_eq!(world.queue.retry_dead(&[letters[0].id]).await.unwrap(), 1);
    assert_eq!(world.queue.status(sent.id).await.unwrap(), None);
    let again = lease(&mut world.queue.consumer("pod/1"), 1).await.remove(0);
    assert_eq!(world.settle(&again, &all_recorded(&again)).await, Settled::Done);
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 0);
}

#[tokio::test]
async fn a_retried_letter_wakes_who_waits_for_work() {
    let world = World::start().await;
    let (_, letters) = buried(&world, 1, 1).await;
    let mut wakes = world.queue.wakes();
    tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap();
    world.queue.retry_dead(&[letters[0].id]).await.unwrap();
    assert!(tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap().at.is_some());
}

#[tokio::test]
async fn a_damaged_chunk_is_one_letter_and_its_status_lists_each_of_its_invoices() {
    let world = World::start().await;
    let sent = batch(&[2, 3]);
    world.admit(&sent).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 2).await;
    let damaged = Settlement { rejected: vec![rejected(2, 3)], ..Settlement::default() };
    world.settle(&leases[1], &damaged).await;
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!(status.rejected, 3);
    assert_eq!(status.rejections.iter().map(|one| one.position).collect::<Vec<_>>(), [2, 3, 4]);
    let letters = world.queue.dead_letters(None, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].count, letters[0].position), (1, 3, 2));

    assert_eq!(world.queue.retry_dead(&[letters[0].id]).await.unwrap(), 1);
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((status.rejected, status.rejections.len()), (0, 0));
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 5);
    assert_eq!(lease(&mut world.queue.consumer("pod/1"), 1).await[0].count, 3);
}

#[tokio::test]
async fn the_letter_that_reaches_the_limit_shuts_the_door_and_dropping_or_retrying_opens_it() {
    let world = World::start().await;
    let fill = "for i = 1, 9999 do redis.call('XADD', KEYS[1], '*', 'n', i) end";
    for _ in 0..10 {
        let _: () = world.run(&["EVAL", fill, "1", "caudal:{facturas}:dead"]).await;
    }
    let (_, _) = buried(&world, 9, 9).await;
    world.admit(&batch(&[])).await;
    let (_, _) = buried(&world, 1, 1).await;
    let full = world.queue.admit(&batch(&[1]), ROOMY).await.unwrap();
    assert_eq!(full, caudal_queue::Admission::Full { backlog: 0 });

    let first = world.queue.dead_letters(None, 1).await.unwrap().remove(0).id;
    assert_eq!(world.queue.drop_dead(&[first]).await.unwrap(), 1);
    world.admit(&batch(&[1])).await;
    wait::until("no more dead letters than the limit", SOON, async || {
        let dead = world.queue.backlog().await.unwrap().dead;
        if dead == 99_999 { Ok(()) } else { Err(dead) }
    })
    .await
    .unwrap();
}
