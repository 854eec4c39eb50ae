//! Queues that are not Caudal's.

use std::time::{SystemTime, UNIX_EPOCH};

use caudal_testkit::Redis;
use serde_json::{Value, json};

use crate::pods::{MARK, all, costs, pod};
use crate::world::{World, queue, quick, redis_cli};

/// The time so many milliseconds from now, as a score.
fn in_millis(millis: u128) -> String {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + millis).to_string()
}

/// A scaler of the deployment `worker` by this source: 5 entries for each replica.
pub(crate) fn by(source: Value) -> Value {
    let mut spec = quick("");
    spec["source"] = source;
    spec
}

#[tokio::test]
async fn a_stream_is_followed_from_none_to_many_and_back() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    world.deployment("worker", 0).await;
    world.scaler("x", by(json!({ "stream": { "redis": { "url": redis.url() }, "key": "s", "group": "g" } }))).await;
    let controller = world.controller("caudal");
    world.until_condition("x", "Active", "False").await;

    redis_cli(&redis, &["EVAL", "for i = 1, 20 do redis.call('XADD', 's', '*', 'job', i) end", "0"]).await;
    world.until_replicas("worker", 1).await;
    let (_, message) = world.until_condition("x", "Active", "True").await;
    assert_eq!(
        message,
        "the stream s has no group g, so what waits is not known: one worker is asked for, which is to make the group"
    );
    redis_cli(&redis, &["XGROUP", "CREATE", "s", "g", "0"]).await;
    world.until_replicas("worker", 4).await;
    world
        .until("the note is gone", async || {
            let (_, message) = world.until_condition("x", "Active", "True").await;
            if message == "the queue holds work" { Ok(()) } else { Err(message) }
        })
        .await;

    for name in ["a", "b", "c", "d"] {
        pod(&world, name, json!({})).await;
    }
    redis_cli(&redis, &["XREADGROUP", "GROUP", "g", "b", "COUNT", "1", "STREAMS", "s", ">"]).await;
    redis_cli(&redis, &["XREADGROUP", "GROUP", "g", "d/1", "COUNT", "1", "STREAMS", "s", ">"]).await;
    redis_cli(&redis, &["XTRIM", "s", "MAXLEN", "0"]).await;
    world.until_replicas("worker", 2).await;
    assert_eq!(costs(&world).await, all(&[("b", MARK), ("d", MARK)]), "busy consumers and no fewer stay");
    redis_cli(&redis, &["XGROUP", "DESTROY", "s", "g"]).await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}

#[tokio::test]
async fn a_sorted_set_of_times_is_followed_and_wakes_a_worker_when_something_comes_due() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    world.deployment("worker", 0).await;
    let set = json!({ "redis": { "url": redis.url() }, "key": "retry", "dueBy": "UnixMilliseconds" });
    world.scaler("x", by(json!({ "sortedSet": set }))).await;
    let controller = world.controller("caudal");
    redis_cli(&redis, &["ZADD", "retry", &in_millis(3_600_000), "in an hour"]).await;
    redis_cli(&redis, &["EVAL", "for i = 1, 9 do redis.call('ZADD', 'retry', i, i) end", "0"]).await;
    world.until_replicas("worker", 2).await;
    redis_cli(&redis, &["ZREMRANGEBYSCORE", "retry", "0", "9"]).await;
    world.until_replicas("worker", 0).await;
    world.until_condition("x", "Active", "False").await;
    redis_cli(&redis, &["ZADD", "retry", &in_millis(2_500), "soon"]).await;
    world.until_replicas("worker", 1).await;
    controller.stop().await;
}

#[tokio::test]
async fn what_comes_due_within_the_cooldown_keeps_the_last_worker() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    world.deployment("worker", 1).await;
    let set = json!({ "redis": { "url": redis.url() }, "key": "retry", "dueBy": "UnixMilliseconds" });
    let mut spec = by(json!({ "sortedSet": set }));
    spec["cooldownSeconds"] = json!(5);
    world.scaler("x", spec).await;
    let controller = world.controller("caudal");
    world.until_condition("x", "Active", "False").await;
    // After the cooldown is over, and within another one then.
    redis_cli(&redis, &["ZADD", "retry", &in_millis(6_000), "soon"]).await;
    world.until_condition("x", "Active", "True").await;
    let worker = world.deployments().get("worker").await.unwrap();
    assert_eq!(worker.metadata.generation, Some(1), "nobody has changed it meanwhile");
    controller.stop().await;
}

#[tokio::test]
async fn a_key_of_the_wrong_type_is_named_and_holds_up_nobody() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    redis_cli(&redis, &["SET", "jobs", "-5"]).await;
    world.deployment("worker", 2).await;
    world.deployment("other", 0).await;
    let server = json!({ "url": redis.url() });
    let set = |name: &str| {
        let mut spec = by(json!({ "sortedSet": { "redis": server, "key": "set" } }));
        spec["scaleTargetRef"]["name"] = json!(name);
        spec
    };
    world.scaler("x", by(json!({ "list": { "redis": server, "keys": ["jobs"] } }))).await;
    world.scaler("good", set("other")).await;
    let controller = world.controller("caudal");

    let (reason, message) = world.until_condition("x", "Ready", "False").await;
    assert_eq!(reason, "SourceMisconfigured");
    let told =
        "the key jobs is a string, not a list: name another key, or remove this one (Redis at redis://127.0.0.1:";
    assert!(message.starts_with(told), "{message}");
    redis_cli(&redis, &["ZADD", "set", "1", "a"]).await;
    world.until_replicas("other", 1).await;
    assert_eq!(world.replicas("worker").await, 2, "an error is never a number");

    redis_cli(&redis, &["DEL", "jobs"]).await;
    world.until_condition("x", "Ready", "True").await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}

#[tokio::test]
async fn what_is_asked_of_one_redis_goes_over_one_connection() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let client = caudal_redis::Client::new(&caudal_redis::Options { redis_url: redis.url().into() }).unwrap();
    for name in ["a", "b", "c"] {
        world.deployment(name, 1).await;
        let mut spec = by(json!({ "list": { "redis": { "url": redis.url() }, "keys": [name] } }));
        spec["scaleTargetRef"]["name"] = json!(name);
        world.scaler(name, spec).await;
    }
    let controller = world.controller("caudal");
    for name in ["a", "b", "c"] {
        world.until_condition(name, "Active", "False").await;
    }
    let mut list = redis::cmd("CLIENT");
    list.arg("LIST").arg("TYPE").arg("normal");
    let clients: String = list.query_async(&mut client.shared()).await.unwrap();
    assert_eq!(clients.lines().count(), 2, "the controller's and ours: {clients}");
    controller.stop().await;
}

#[tokio::test]
async fn a_count_of_the_queue_that_is_none_is_told_and_scales_nothing() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    redis_cli(&redis, &["SET", "caudal:{facturas}:backlog", "-5"]).await;
    world.deployment("worker", 2).await;
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller("caudal");
    let (reason, message) = world.until_condition("x", "Ready", "False").await;
    assert_eq!(reason, "SourceMisconfigured");
    assert!(message.contains("caudal:{facturas}:backlog holds no count: caudal queue check --repair"), "{message}");
    assert_eq!(world.replicas("worker").await, 2, "an error is never a number");
    queue(&redis).check(true).await.unwrap();
    world.until_condition("x", "Ready", "True").await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}
