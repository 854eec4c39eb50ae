//! A user of Redis that may do no more than the README says.

use std::time::Duration;

use caudal_queue::{Batch, Chunk, Queue, Rejected, Retried, Settled, Settlement};
use caudal_redis::{Client, Options};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::world::{LEASE, ROOMY, SOON, World, all_recorded, batch, lease, reclaim};

/// The rule in the README, with the queue's name and a password.
fn rule() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let start = readme.find("ACL SETUSER").unwrap();
    let rule = readme[start..].split("```").next().unwrap();
    rule.replace("{queue}", "{facturas}").split_whitespace().map(|word| word.replace("<password>", "secret")).collect()
}

/// Of a chunk of four, from position 2: one retried at once, two rejected, one recorded.
fn one_of_each() -> Settlement {
    let retried = Retried { position: 2, payload: Vec::new(), attempts: 1, delay: Duration::ZERO };
    let rejected = |position| Rejected {
        position,
        count: 1,
        number: String::new(),
        code: "damaged".to_owned(),
        detail: String::new(),
        payload: Vec::new(),
    };
    Settlement {
        recorded: 1,
        retried: vec![retried],
        rejected: vec![rejected(3), rejected(4)],
        ..Settlement::default()
    }
}

/// What an API and a controller do; a batch of three chunks is there afterwards.
async fn comes_in(queue: &Queue) -> Batch {
    queue.ready().await.unwrap();
    queue.memory().await.unwrap();
    assert_ne!(queue.durability().await.unwrap().fsync, None);
    let mut wakes = queue.wakes();
    timeout(SOON, wakes.next()).await.unwrap().unwrap();
    queue.admit(&batch(&[]), ROOMY).await.unwrap();
    let sent = batch(&[2, 4, 1]);
    queue.admit(&sent, ROOMY).await.unwrap();
    timeout(SOON, wakes.next()).await.unwrap().unwrap();
    queue.adopt_keys(&[([1; 32], SOON)]).await.unwrap();
    sent
}

/// What a person does.
async fn is_looked_after(queue: &Queue) {
    queue.pause().await.unwrap();
    queue.paused().await.unwrap();
    queue.resume().await.unwrap();
    queue.check(true).await.unwrap();
    queue.workers().await.unwrap();
    queue.flow().await.unwrap();
    queue.tidy().await.unwrap();
}

#[tokio::test]
async fn a_user_with_the_rule_of_the_readme_can_do_all_the_queue_does_and_touch_nothing_else() {
    let world = World::start().await;
    let rule = rule();
    let _: () = world.run(&rule.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let url = world.redis.url().replace("redis://", "redis://caudal:secret@");
    let client = Client::new(&Options { redis_url: url.into() }).unwrap();
    let queue = Queue::new(&client, &caudal_queue::Options { queue: "facturas".parse().unwrap() }).with_lease(LEASE);

    let sent = comes_in(&queue).await;
    let mut consumer = queue.consumer("pod/1");
    let leases = lease(&mut consumer, 3).await;
    assert_eq!(queue.renew(&leases.iter().collect::<Vec<_>>()).await.unwrap().len(), 0);
    let parts = [1, 2].map(|part| Chunk { payload: vec![part], count: 1 });
    assert_eq!(queue.split(&leases[0], &parts).await.unwrap(), Settled::Done);
    let settlement = one_of_each();
    assert_eq!(queue.settle(&[(&leases[1], &settlement)]).await.unwrap(), [Settled::Done]);
    queue.release(&[&leases[2]]).await.unwrap();
    assert_eq!(consumer.promote().await.unwrap(), 1);
    let letters = queue.dead_letters(None, 10).await.unwrap();
    assert_eq!(queue.retry_dead(&[letters[0].id]).await.unwrap(), 1);
    assert_eq!(queue.drop_dead(&[letters[1].id]).await.unwrap(), 1);
    is_looked_after(&queue).await;

    let mut other = queue.consumer("pod/2");
    let mut rest = reclaim(&mut other, 1).await;
    rest.extend(lease(&mut other, 4).await);
    queue.mark(&rest[1]).await.unwrap();
    for lease in &rest {
        assert_eq!(queue.settle(&[(lease, &all_recorded(lease))]).await.unwrap(), [Settled::Done]);
    }
    assert!(queue.status(sent.id).await.unwrap().unwrap().finished_at.is_some());
    assert_eq!(queue.backlog().await.unwrap().invoices, 0);
    other.leave().await.unwrap();

    let elsewhere = Queue::new(&client, &caudal_queue::Options { queue: "other".parse().unwrap() });
    assert!(elsewhere.admit(&batch(&[1]), ROOMY).await.is_err());
    let flushed: redis::RedisResult<()> = redis::cmd("FLUSHALL").query_async(&mut client.shared()).await;
    assert!(flushed.is_err());
}
