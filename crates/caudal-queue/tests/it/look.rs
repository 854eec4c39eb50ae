//! Looking: numbers that are right, and errors that are not numbers.

use caudal_queue::{Backlog, Check, Error};
use caudal_testkit::wait;

use crate::world::{SOON, World, all_recorded, batch, lease};

#[tokio::test]
async fn a_queue_nobody_has_used_is_empty_and_looking_makes_no_key() {
    let world = World::start().await;
    assert_eq!(world.queue.backlog().await.unwrap(), Backlog::default());
    assert_eq!(world.queue.status(uuid::Uuid::nil()).await.unwrap(), None);
    assert_eq!(world.key_count().await, 0);
}

#[tokio::test]
async fn the_backlog_tells_what_waits_from_what_is_in_flight_and_how_many_are_busy() {
    let world = World::start().await;
    world.admit(&batch(&[10, 10, 10, 10, 10])).await;
    let (mut one, mut two) = (world.queue.consumer("pod/1"), world.queue.consumer("pod/2"));
    let ones = lease(&mut one, 2).await;
    let twos = lease(&mut two, 1).await;
    world.queue.consumer("pod/3").reclaim(1).await.unwrap();
    let seen = world.queue.backlog().await.unwrap();
    let expected = Backlog {
        invoices: 50,
        waiting_chunks: 2,
        in_flight_chunks: 3,
        busy_consumers: 2,
        oldest: seen.oldest,
        ..Backlog::default()
    };
    assert!(seen.oldest.is_some());
    assert_eq!(seen, expected);

    world.queue.release(&[&twos[0]]).await.unwrap();
    let seen = world.queue.backlog().await.unwrap();
    assert_eq!((seen.waiting_chunks, seen.in_flight_chunks, seen.busy_consumers), (3, 2, 1));

    world.settle(&ones[0], &all_recorded(&ones[0])).await;
    let seen = world.queue.backlog().await.unwrap();
    assert_eq!((seen.invoices, seen.settled), (40, 10));
}

#[tokio::test]
async fn a_worker_that_is_silent_for_a_lease_is_not_busy_and_its_chunks_still_count() {
    let world = World::start().await;
    world.admit(&batch(&[10, 10])).await;
    let (mut lives, mut dies) = (world.queue.consumer("pod/1"), world.queue.consumer("pod/2"));
    let (kept, _left) = (lease(&mut lives, 1).await, lease(&mut dies, 1).await);
    assert_eq!(world.queue.backlog().await.unwrap().busy_consumers, 2);
    let seen = wait::until("the dead worker is not busy any more", SOON, async || {
        world.queue.renew(&[&kept[0]]).await.unwrap();
        let seen = world.queue.backlog().await.unwrap();
        if seen.busy_consumers < 2 { Ok(seen) } else { Err(seen) }
    })
    .await
    .unwrap();
    assert_eq!((seen.busy_consumers, seen.invoices, seen.in_flight_chunks), (1, 20, 2));

    let newcomer = world.another_process();
    assert_eq!(newcomer.backlog().await.unwrap().busy_consumers, 2, "after an outage the living look silent too");
}

#[tokio::test]
async fn a_key_of_another_kind_is_an_error_and_an_admission_leaves_nothing() {
    for key in ["stream", "backlog", "version"] {
        let world = World::start().await;
        let key = format!("caudal:{{facturas}}:{key}");
        let _: u64 = world.run(&["SADD", &key, "x"]).await;
        let refused = world.queue.admit(&batch(&[1]), 10).await;
        assert!(matches!(refused, Err(Error::Misconfigured(_))), "{key}: {refused:?}");
        assert_eq!(world.key_count().await, 1, "{key}");
        if !key.ends_with("version") {
            assert!(matches!(world.queue.backlog().await, Err(Error::Misconfigured(_))), "{key}");
        }
    }
}

#[tokio::test]
async fn a_count_that_is_none_is_an_error_that_says_how_to_mend_it_and_never_a_number() {
    let world = World::start().await;
    world.admit(&batch(&[3])).await;
    for (key, mend) in [("backlog", "caudal queue check --repair"), ("settled", "remove it")] {
        let key = format!("caudal:{{facturas}}:{key}");
        for wrong in ["-5", "abc", "", "1.5", "nan", "inf", "18446744073709551611"] {
            let _: () = world.run(&["SET", &key, wrong]).await;
            let told = match world.queue.backlog().await {
                Err(Error::Misconfigured(cause)) => cause.to_string(),
                other => panic!("{key} is {wrong}: {other:?}"),
            };
            assert!(told.contains(&format!("{key} holds no count")) && told.contains(mend), "{told}");
        }
        if key.ends_with("backlog") {
            let expected = Check { stated: None, counted: 3, newer: 0, exact: true };
            for wrong in ["-5", "abc"] {
                let _: () = world.run(&["SET", &key, wrong]).await;
                assert_eq!(world.queue.check(true).await.unwrap(), expected, "{wrong}");
                assert_eq!(world.queue.backlog().await.unwrap().invoices, 3);
            }
        }
        let _: u64 = world.run(&["DEL", "caudal:{facturas}:settled"]).await;
    }
}

#[tokio::test]
async fn a_redis_that_evicts_is_not_fit_and_one_that_keeps_its_keys_is() {
    let world = World::start().await;
    world.queue.ready().await.unwrap();
    let _: () = world.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    assert!(matches!(world.queue.ready().await, Err(Error::Unfit(_))));
}
