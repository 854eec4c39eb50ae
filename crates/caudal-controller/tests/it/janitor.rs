//! Workers that died without a word leave the books of Caudal's queue; those that live or hold something stay.

use std::time::Duration;

use caudal_queue::{LEASE, Settlement};
use caudal_testkit::{Redis, wait};
use redis::FromRedisValue;
use redis::streams::StreamInfoConsumersReply;

use crate::world::{SOON, World, enqueue, queue, quick, redis_cli};

const STREAM: &str = "caudal:{facturas}:stream";
/// After so many leases without a word a worker is forgotten.
const FORGOTTEN_AFTER: u32 = 4;

#[tokio::test]
async fn while_there_are_no_replicas_the_dead_that_hold_nothing_leave_the_group_and_all_others_stay() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    three_workers(&redis).await;
    let controller = world.scaled_by(&redis).await;
    until_left(&world, &redis).await;
    world.until_replicas("worker", 1).await;
    controller.stop().await;
}

#[tokio::test]
async fn where_the_backlog_cannot_be_read_no_worker_that_lives_or_holds_something_leaves_the_group() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    three_workers(&redis).await;
    redis_cli(&redis, &["SET", "caudal:{facturas}:backlog", "-5"]).await;
    world.deployment("worker", 0).await;
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller("caudal");
    until_left(&world, &redis).await;
    let (reason, _) = world.until_condition("x", "Ready", "False").await;
    assert_eq!(reason, "SourceMisconfigured");
    controller.stop().await;
}

/// Workers that Redis knows: one that is long gone with nothing in its hands, one with an invoice, and one that was silent for a lease.
async fn three_workers(redis: &Redis) {
    let queue = queue(redis);
    enqueue(&queue, 3).await;
    for (name, keeps) in [("pod/gone", false), ("pod/holding", true), ("pod/living", false)] {
        let mut worker = queue.consumer(name);
        let taken = async || worker.lease(1, Duration::from_millis(100)).await.unwrap().pop().ok_or("nothing");
        let lease = wait::until("an invoice is taken", SOON, taken).await.unwrap();
        if !keeps {
            let settlement = Settlement { recorded: 1, ..Settlement::default() };
            queue.settle(&[(&lease, &settlement)]).await.unwrap();
        }
    }
    let long = LEASE * FORGOTTEN_AFTER;
    silent_for(redis, &[("pod/gone", long), ("pod/holding", long), ("pod/living", LEASE)]).await;
    assert_eq!(group(redis).await, ["pod/gone", "pod/holding", "pod/living"]);
}

async fn until_left(world: &World, redis: &Redis) {
    let left = async || match group(redis).await {
        left if left.iter().any(|name| name == "pod/gone") => Err(left),
        left => Ok(left),
    };
    assert_eq!(world.until("the dead one has left", left).await, ["pod/holding", "pod/living"]);
}

/// The names in the group, sorted.
async fn group(redis: &Redis) -> Vec<String> {
    let found: StreamInfoConsumersReply =
        run(redis, redis::cmd("XINFO").arg("CONSUMERS").arg(STREAM).arg("workers")).await;
    let mut names: Vec<_> = found.consumers.into_iter().map(|consumer| consumer.name).collect();
    names.sort();
    names
}

/// Makes Redis believe that it has heard nothing of these workers for so long: it takes that from the copy that it is given back.
async fn silent_for(redis: &Redis, workers: &[(&str, Duration)]) {
    let mut dump: Vec<u8> = run(redis, redis::cmd("DUMP").arg(STREAM)).await;
    for (name, silence) in workers {
        // A name is followed by the time, in milliseconds.
        let found = dump.windows(name.len()).position(|part| part == name.as_bytes()).unwrap() + name.len();
        let time: &mut [u8; 8] = (&mut dump[found..found + 8]).try_into().unwrap();
        *time = (u64::from_le_bytes(*time) - u64::try_from(silence.as_millis()).unwrap()).to_le_bytes();
    }
    dump.truncate(dump.len() - 8);
    dump.extend(checksum(&dump).to_le_bytes());
    let () = run(redis, redis::cmd("RESTORE").arg(STREAM).arg(0).arg(dump).arg("REPLACE")).await;
}

/// What Redis puts at the end of a copy: the CRC-64 of Jones, with its bits mirrored.
fn checksum(bytes: &[u8]) -> u64 {
    let shift = |sum: u64, _| (sum >> 1) ^ if sum & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 };
    bytes.iter().fold(0, |sum, byte| (0..8).fold(sum ^ u64::from(*byte), shift))
}

async fn run<T: FromRedisValue>(redis: &Redis, command: &redis::Cmd) -> T {
    let client = caudal_redis::Client::new(&caudal_redis::Options { redis_url: redis.url().into() }).unwrap();
    command.query_async(&mut client.shared()).await.unwrap()
}
