//! The door: one atomic step, once for each key.

use std::time::Duration;

use caudal_queue::{Admission, Batch, Error};
use tokio::task::JoinSet;

use crate::world::{ROOMY, World, batch, lease};

#[tokio::test]
async fn an_accepted_batch_is_there_with_every_chunk_its_key_and_its_status() {
    let world = World::start().await;
    let mut sent = batch(&[250, 250, 7]);
    sent.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    sent.caller = "erp".to_owned();
    world.admit(&sent).await;

    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 3).await;
    let base = leases[0].version;
    for (lease, (position, count)) in leases.iter().zip([(0, 250), (250, 250), (500, 7)]) {
        assert_eq!((lease.position, lease.count), (position, count));
        assert_eq!(lease.version, base + i64::from(position));
        assert_eq!((lease.batch, &lease.traceparent), (sent.id, &sent.traceparent));
        assert_eq!(lease.payload, vec![7; count as usize * 20]);
        assert_eq!(lease.deliveries, 1);
    }
    let status = world.queue.status(sent.id).await.unwrap().unwrap();
    assert_eq!((status.received, status.recorded, status.finished_at), (507, 0, None));
    assert_eq!((status.caller.as_str(), status.received_at), ("erp", leases[0].received_at));
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 507);
}

#[tokio::test]
async fn a_batch_of_the_largest_size_is_accepted_in_one_step() {
    let world = World::start().await;
    world.admit(&batch(&[250; 40])).await;
    assert_eq!(world.queue.backlog().await.unwrap().waiting_chunks, 40);
    world.admit(&batch(&[1; 10_000])).await;
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 20_000);
}

#[tokio::test]
async fn of_fifty_concurrent_admissions_of_one_key_over_two_processes_one_is_accepted() {
    let world = World::start().await;
    let processes = [world.another_process(), world.another_process()];
    for _ in 0..20 {
        let key = batch(&[1]).key;
        let mut attempts = JoinSet::new();
        for i in 0..50 {
            let queue = processes[i % 2].clone();
            attempts.spawn(async move { queue.admit(&Batch { key, ..batch(&[2]) }, ROOMY).await.unwrap() });
        }
        let answers = attempts.join_all().await;
        let accepted: Vec<_> = answers.iter().filter_map(accepted_id).collect();
        assert_eq!(accepted.len(), 1);
        for answer in &answers {
            let id = match answer {
                Admission::Accepted { id } | Admission::Duplicate { id: Some(id), .. } => *id,
                other => panic!("{other:?}"),
            };
            assert_eq!(id, accepted[0]);
        }
    }
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 40);
}

#[tokio::test]
async fn of_batches_with_one_key_that_go_to_redis_in_one_call_the_first_is_accepted() {
    let world = World::start().await;
    let first = batch(&[3]);
    let mut attempts = JoinSet::new();
    // The calls that are under way are busy with others; what comes meanwhile goes together.
    for sent in (0..5).map(|_| batch(&[1])) {
        let queue = world.queue.clone();
        attempts.spawn(async move { queue.admit(&sent, ROOMY).await.unwrap() });
    }
    for sent in [first.clone(), Batch { key: first.key, ..batch(&[4]) }, Batch { key: first.key, ..first.clone() }] {
        let queue = world.queue.clone();
        attempts.spawn(async move { queue.admit(&sent, ROOMY).await.unwrap() });
    }
    let answers = attempts.join_all().await;
    let told =
        |answer: &Admission| matches!(answer, Admission::Duplicate { id, count: 3, .. } if *id == Some(first.id));
    assert_eq!(answers.iter().filter_map(accepted_id).count(), 7);
    assert_eq!(answers.iter().filter(|answer| told(answer)).count(), 1);
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 8);
    assert!(admitting_calls(&world).await < 8, "they did not go together");
}

async fn admitting_calls(world: &World) -> u64 {
    let info: String = world.run(&["INFO", "commandstats"]).await;
    let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_mget:calls=")).unwrap();
    calls.split(',').next().unwrap().parse().unwrap()
}

fn accepted_id(answer: &Admission) -> Option<uuid::Uuid> {
    match answer {
        Admission::Accepted { id } => Some(*id),
        _ => None,
    }
}

#[tokio::test]
async fn a_duplicate_tells_the_first_batch_and_changes_nothing() {
    let world = World::start().await;
    let first = batch(&[3, 4]);
    world.admit(&first).await;
    let again = Batch { key: first.key, ..batch(&[5]) };
    let answer = world.queue.admit(&again, ROOMY).await.unwrap();
    assert_eq!(answer, Admission::Duplicate { id: Some(first.id), count: 7, same: false });
    let same = Batch { fingerprint: first.fingerprint, ..again.clone() };
    let answer = world.queue.admit(&same, ROOMY).await.unwrap();
    assert_eq!(answer, Admission::Duplicate { id: Some(first.id), count: 7, same: true });
    assert_eq!(world.queue.status(again.id).await.unwrap(), None);
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 7);
}

#[tokio::test]
async fn a_batch_asked_again_after_a_lost_reply_is_accepted_and_there_once() {
    let world = World::start().await;
    let sent = batch(&[3]);
    world.admit(&sent).await;
    world.admit(&sent).await;
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 3);
}

#[tokio::test]
async fn a_batch_over_the_backlog_limit_leaves_no_key_behind_and_a_known_key_is_told_first() {
    let world = World::start().await;
    let refused = batch(&[11]);
    assert_eq!(world.queue.admit(&refused, 10).await.unwrap(), Admission::Full { backlog: 0 });
    assert_eq!(world.key_count().await, 0);

    let taken = batch(&[10]);
    assert!(matches!(world.queue.admit(&taken, 10).await.unwrap(), Admission::Accepted { .. }));
    let known = Batch { key: taken.key, ..batch(&[1]) };
    assert!(matches!(world.queue.admit(&known, 10).await.unwrap(), Admission::Duplicate { .. }));
    assert_eq!(world.queue.admit(&batch(&[1]), 10).await.unwrap(), Admission::Full { backlog: 10 });
}

#[tokio::test]
async fn a_redis_at_its_memory_limit_refuses_a_batch_whole_still_drains_and_then_accepts_it() {
    let world = World::start().await;
    let kept = batch(&[250, 250]);
    world.admit(&kept).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 1).await;
    let before = world.key_count().await;
    let _: () = world.run(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let refused = batch(&[5]);
    assert!(matches!(world.queue.admit(&refused, ROOMY).await, Err(Error::OutOfMemory(_))));
    assert_eq!(world.key_count().await, before);
    assert_eq!(world.queue.renew(&[&leases[0]]).await.unwrap().len(), 0);
    crate::settle::settle_all(&world.queue, leases).await;
    let rest = consumer.lease(10, Duration::from_millis(10)).await.unwrap();
    crate::settle::settle_all(&world.queue, rest).await;
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 0);

    let _: () = world.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    world.admit(&refused).await;
}

#[tokio::test]
async fn versions_grow_though_the_clock_of_redis_jumps_back() {
    let world = World::start().await;
    let ahead = i64::MAX / 2_000;
    let _: () = world.run(&["SET", "caudal:{facturas}:version", &ahead.to_string()]).await;
    world.admit(&batch(&[2, 3])).await;
    world.admit(&batch(&[1])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 3).await;
    let versions: Vec<_> = leases.iter().map(|lease| lease.version - ahead).collect();
    assert_eq!(versions, [1, 3, 6]);
}

#[tokio::test]
async fn versions_follow_the_clock_of_redis_in_microseconds() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 1).await;
    assert_eq!(leases[0].version / 1_000, leases[0].received_at.timestamp_millis());
}

#[tokio::test]
async fn an_empty_batch_is_finished_at_once_and_takes_its_key() {
    let world = World::start().await;
    let empty = batch(&[]);
    world.admit(&empty).await;
    let status = world.queue.status(empty.id).await.unwrap().unwrap();
    assert_eq!((status.received, status.finished_at), (0, Some(status.received_at)));
    let again = world.queue.admit(&Batch { key: empty.key, ..batch(&[1]) }, ROOMY).await.unwrap();
    assert!(matches!(again, Admission::Duplicate { id, count: 0, .. } if id == Some(empty.id)));
}

#[tokio::test]
async fn dead_letters_at_their_limit_shut_the_door() {
    let world = World::start().await;
    let fill = "for i = 1, 5000 do redis.call('XADD', KEYS[1], '*', 'n', i) end";
    for _ in 0..20 {
        let _: () = world.run(&["EVAL", fill, "1", "caudal:{facturas}:dead"]).await;
    }
    world.queue.check(true).await.unwrap();
    assert!(matches!(world.queue.admit(&batch(&[1]), ROOMY).await.unwrap(), Admission::Full { .. }));
}

#[tokio::test]
async fn a_redis_that_forgot_its_scripts_is_sent_them_again() {
    let world = World::start().await;
    world.admit(&batch(&[1])).await;
    let _: () = world.run(&["SCRIPT", "FLUSH"]).await;
    world.admit(&batch(&[1])).await;
    let _: () = world.run(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(world.queue.backlog().await.unwrap().invoices, 2);
}
