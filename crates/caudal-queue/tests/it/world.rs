//! What the tests share: a Redis of their own, a queue with short leases, batches.

use std::time::Duration;

use caudal_queue::{Admission, Batch, Chunk, Consumer, Lease, Queue, Settled, Settlement};
use caudal_redis::{Client, Options};
use caudal_testkit::{Redis, wait};
use redis::{FromRedisValue, cmd};
use uuid::Uuid;

/// The leases of the tests.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// How long anything may take to come about.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// A backlog limit no test reaches by chance.
pub(crate) const ROOMY: u64 = 1_000_000;

pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) client: Client,
    pub(crate) queue: Queue,
}

impl World {
    pub(crate) async fn start() -> Self {
        let redis = Redis::start().await.unwrap();
        let client = Client::new(&Options { redis_url: redis.url().into() }).unwrap();
        let queue = queue(&client);
        Self { redis, client, queue }
    }

    /// A queue of another process: its own connections to the same Redis.
    pub(crate) fn another_process(&self) -> Queue {
        queue(&Client::new(&Options { redis_url: self.redis.url().into() }).unwrap())
    }

    pub(crate) async fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let (name, arguments) = words.split_first().unwrap();
        cmd(name).arg(arguments).query_async(&mut self.client.shared()).await.unwrap()
    }

    pub(crate) async fn key_count(&self) -> u64 {
        self.run(&["DBSIZE"]).await
    }

    /// A consumer that has been reaching Redis for a lease time, so that it reclaims what ran out.
    pub(crate) async fn settled_in(&self, name: &str) -> Consumer {
        let mut consumer = self.queue.consumer(name);
        assert_eq!(consumer.lease(1, Duration::from_millis(1)).await.unwrap().len(), 0);
        tokio::time::sleep(LEASE).await;
        consumer
    }

    /// Settles one lease.
    pub(crate) async fn settle(&self, lease: &Lease, settlement: &Settlement) -> Settled {
        self.queue.settle(&[(lease, settlement)]).await.unwrap().remove(0)
    }

    /// Seconds until the batch's status goes; -1 where it stays.
    pub(crate) async fn status_ttl(&self, batch: Uuid) -> i64 {
        self.ttl("lote", batch).await
    }

    /// Seconds until the list of the batch's rejected goes; -1 where it stays.
    pub(crate) async fn rejected_ttl(&self, batch: Uuid) -> i64 {
        self.ttl("rejected", batch).await
    }

    async fn ttl(&self, kind: &str, batch: Uuid) -> i64 {
        cmd("TTL").arg(key(kind, batch)).query_async(&mut self.client.shared()).await.unwrap()
    }

    /// Puts this text in the place of the batch's status.
    pub(crate) async fn set_status(&self, batch: Uuid, text: &str) {
        let () = cmd("SET").arg(key("lote", batch)).arg(text).query_async(&mut self.client.shared()).await.unwrap();
    }

    pub(crate) async fn admit(&self, batch: &Batch) {
        assert_eq!(self.queue.admit(batch, ROOMY).await.unwrap(), Admission::Accepted { id: batch.id });
    }
}

fn key(kind: &str, batch: Uuid) -> Vec<u8> {
    [format!("caudal:{{facturas}}:{kind}:").as_bytes(), batch.as_bytes()].concat()
}

fn queue(client: &Client) -> Queue {
    let options = caudal_queue::Options { queue: "facturas".parse().unwrap() };
    Queue::new(client, &options).with_lease(LEASE)
}

/// A batch with chunks of these sizes and a key of its own.
pub(crate) fn batch(chunks: &[u32]) -> Batch {
    let id = Uuid::new_v4();
    Batch {
        id,
        key: digest(id),
        fingerprint: digest(Uuid::new_v4()),
        chunks: chunks.iter().map(|&count| Chunk { payload: vec![7; count as usize * 20], count }).collect(),
        traceparent: None,
        caller: String::new(),
    }
}

fn digest(id: Uuid) -> [u8; 32] {
    [*id.as_bytes(), *id.as_bytes()].concat().try_into().unwrap()
}

pub(crate) fn all_recorded(lease: &Lease) -> Settlement {
    Settlement { recorded: lease.count, ..Settlement::default() }
}

/// Leases that come within the deadline, `count` of them.
pub(crate) async fn lease(consumer: &mut Consumer, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    wait::until("leases", SOON, async || {
        leases.extend(consumer.lease(count - leases.len(), Duration::from_millis(100)).await.unwrap());
        if leases.len() == count { Ok(()) } else { Err(leases.len()) }
    })
    .await
    .unwrap();
    leases
}

/// Leases taken over within the deadline, `count` of them.
pub(crate) async fn reclaim(consumer: &mut Consumer, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    wait::until("leases to take over", SOON, async || {
        leases.extend(consumer.reclaim(count - leases.len()).await.unwrap().leases);
        if leases.len() == count { Ok(()) } else { Err(leases.len()) }
    })
    .await
    .unwrap();
    leases
}
