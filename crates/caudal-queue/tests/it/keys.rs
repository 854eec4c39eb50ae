//! Keys: one slot, and every one bounded.

use caudal_queue::{Rejected, Retried, Settlement};
use uuid::Uuid;

use crate::world::{SOON, World, all_recorded, batch, lease};

/// What has no TTL, and why it may: one number or mark, or bounded by the backlog limit or the dead letters' limit.
const BOUNDED: [&str; 8] = ["stream", "backlog", "settled", "version", "dead", "retry", "paused", "shut"];

#[tokio::test]
async fn every_key_carries_the_hash_tag_and_has_a_ttl_or_a_known_bound() {
    let world = World::start().await;
    let fill = "for i = 1, 5000 do redis.call('XADD', KEYS[1], '*', 'n', i) end";
    for _ in 0..20 {
        let _: () = world.run(&["EVAL", fill, "1", "caudal:{facturas}:dead"]).await;
    }
    for sizes in [&[5, 5][..], &[], &[1]] {
        world.admit(&batch(sizes)).await;
    }
    let leases = lease(&mut world.queue.consumer("pod/1"), 3).await;
    world.queue.renew(&leases.iter().collect::<Vec<_>>()).await.unwrap();
    world.queue.mark(&leases[1]).await.unwrap();
    let buried = Rejected {
        position: 0,
        count: 1,
        number: String::new(),
        code: "why".to_owned(),
        detail: String::new(),
        payload: Vec::new(),
    };
    let settlement = Settlement { recorded: 4, rejected: vec![buried], ..Settlement::default() };
    world.settle(&leases[0], &settlement).await;
    let retried = Retried { position: 0, payload: Vec::new(), attempts: 1, delay: SOON };
    let settlement = Settlement { retried: vec![retried], ..Settlement::default() };
    world.settle(&leases[2], &settlement).await;
    world.queue.pause().await.unwrap();
    let [first, .., third] = [leases[0].batch, leases[1].batch, leases[2].batch];
    assert_eq!(bounded_keys(&world, &[first, third]).await, 3 + 3 + 3 + BOUNDED.len());

    world.settle(&leases[1], &all_recorded(&leases[1])).await;
    assert_eq!(bounded_keys(&world, &[third]).await, 3 + 3 + 2 + BOUNDED.len());
}

/// Counts the keys, each of which has a TTL or a bound; the statuses of open batches have that of the backlog.
async fn bounded_keys(world: &World, open: &[Uuid]) -> usize {
    let keys: Vec<Vec<u8>> = world.run(&["KEYS", "*"]).await;
    for key in &keys {
        let name = key.strip_prefix(b"caudal:{facturas}:").unwrap();
        let of_open = (name.starts_with(b"lote:") || name.starts_with(b"rejected:"))
            && open.iter().any(|batch| name.ends_with(batch.as_bytes()));
        let bounded = of_open || BOUNDED.iter().any(|bounded| bounded.as_bytes() == name);
        let ttl: i64 = redis::cmd("TTL").arg(key).query_async(&mut world.client.shared()).await.unwrap();
        assert_eq!(bounded, ttl == -1, "{}: {ttl}", String::from_utf8_lossy(key));
    }
    keys.len()
}

#[tokio::test]
async fn the_backlog_equals_a_recount_of_the_stream() {
    let world = World::start().await;
    for sizes in [&[250, 250, 3][..], &[1], &[17, 2], &[]] {
        world.admit(&batch(sizes)).await;
    }
    let mut consumer = world.queue.consumer("pod/1");
    for _ in 0..4 {
        for lease in lease(&mut consumer, 1).await {
            world.settle(&lease, &all_recorded(&lease)).await;
        }
        let check = world.queue.check(false).await.unwrap();
        assert!(check.exact);
        assert_eq!(check.stated, Some(check.counted));
        assert_eq!(world.queue.backlog().await.unwrap().invoices, check.counted);
    }
}

#[tokio::test]
async fn two_queues_in_one_redis_know_nothing_of_each_other() {
    let world = World::start().await;
    let options = caudal_queue::Options { queue: "other".parse().unwrap() };
    let other = caudal_queue::Queue::new(&world.client, &options);
    let sent = batch(&[2]);
    world.admit(&sent).await;
    assert_eq!(other.backlog().await.unwrap().invoices, 0);
    assert!(matches!(other.admit(&sent, 10).await.unwrap(), caudal_queue::Admission::Accepted { .. }));
}

#[test]
fn a_name_that_would_break_the_keys_is_refused() {
    for name in ["", "a}b", "a b", "ñ", "a:b", &"x".repeat(65)] {
        assert!(name.parse::<caudal_queue::Name>().is_err(), "{name}");
    }
    for name in ["facturas", "a.b-c_D9", &"x".repeat(64)] {
        assert_eq!(name.parse::<caudal_queue::Name>().unwrap().as_str(), name);
    }
}
