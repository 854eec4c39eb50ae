//! From a queue to replicas and back.

use std::time::{Duration, Instant};

use caudal_controller::crd::QueueScaler;
use caudal_testkit::Redis;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::json;

use crate::record::Record;
use crate::world::{World, deployment, drain, enqueue, queue, quick, redis_cli};

#[tokio::test]
async fn a_backlog_takes_the_replicas_up_in_one_write_and_back_to_zero() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let queue = queue(&redis);
    let controller = world.scaled_by(&redis).await;
    world.until_condition("x", "Active", "False").await;

    let before = world.deployments().get("worker").await.unwrap().metadata.generation.unwrap();
    enqueue(&queue, 100).await;
    world.until_replicas("worker", 20).await;
    let after = world.deployments().get("worker").await.unwrap().metadata.generation.unwrap();
    assert_eq!(after, before + 1, "one write");
    let note = world.until_event("x", "ScaledUp").await;
    assert_eq!(note, "Deployment/worker from 0 to 20: a backlog of 100 at 5 per replica needs 20");
    world.until_condition("x", "Active", "True").await;

    drain(&queue).await;
    world.until_replicas("worker", 0).await;
    world
        .until("the way to zero is told", async || {
            let events = world.events("x").await;
            let told = events.iter().any(|(_, note)| note.ends_with(" to 0: nothing waits and nothing is in flight"));
            if told { Ok(()) } else { Err(events) }
        })
        .await;
    controller.stop().await;
}

#[tokio::test]
async fn work_in_an_idle_queue_is_acted_on_at_once() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let queue = queue(&redis);
    let controller = world.scaled_by(&redis).await;
    world.until_condition("x", "Active", "False").await;

    let mut reactions = Vec::new();
    for trial in 0..3_u64 {
        tokio::time::sleep(Duration::from_millis(337 * trial)).await;
        let enqueued = Instant::now();
        enqueue(&queue, 100).await;
        world.until_replicas("worker", 20).await;
        reactions.push(enqueued.elapsed());
        drain(&queue).await;
        world.until_replicas("worker", 0).await;
    }
    reactions.sort();
    println!("from enqueueing to 20 replicas: median {:?}, all {reactions:?}", reactions[1]);
    let numbers = controller.numbers().await;
    let woken = numbers.get("caudal_controller_reaction_seconds_count");
    assert!(woken >= Some(&1.0), "none by a wake: {numbers:?}");
    controller.stop().await;
}

#[tokio::test]
async fn a_redis_that_is_away_changes_nothing_until_the_fallback() {
    let world = World::new().await;
    let mut redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 20).await;
    let controller = world.scaled_by(&redis).await;
    world.until_replicas("worker", 4).await;

    redis.stop().await.unwrap();
    let (_, message) = world.until_condition("x", "Active", "Unknown").await;
    assert!(message.contains("nothing is scaled down"), "{message}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.replicas("worker").await, 4);
    world.until_condition("x", "Ready", "True").await;

    world.patch("x", json!({ "fallback": { "afterSeconds": 2, "replicas": 6 } })).await;
    world.until_replicas("worker", 6).await;
    world.until_condition("x", "Fallback", "True").await;

    redis.restart().await.unwrap();
    world.until_condition("x", "Fallback", "False").await;
    drain(&queue(&redis)).await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}

#[tokio::test]
async fn what_a_fallback_lifted_goes_down_only_after_a_window_of_looks() {
    let world = World::new().await;
    let mut redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 50).await;
    world.deployment("worker", 12).await;
    let ready = json!({ "status": { "replicas": 12, "readyReplicas": 12 } });
    world.deployments().patch_status("worker", &PatchParams::default(), &Patch::Merge(ready)).await.unwrap();
    let mut spec = quick(&redis.url());
    spec["scaleDown"]["stabilizationSeconds"] = json!(3);
    spec["fallback"] = json!({ "afterSeconds": 1, "replicas": 15 });
    world.scaler("x", spec).await;
    let mut record = Record::of(&world, "worker");
    let controller = world.controller("caudal");
    record.until(10).await;
    redis.stop().await.unwrap();
    record.until(15).await;
    let back = Instant::now();
    redis.restart().await.unwrap();
    let down = record.until(10).await.at - tokio::time::Instant::from_std(back);
    assert!(down >= Duration::from_secs(3), "down after {down:?}");
    controller.stop().await;
}

#[tokio::test]
async fn a_list_with_its_processing_list_is_followed_too() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    redis_cli(&redis, &["RPUSH", "jobs", "a", "b", "c"]).await;
    redis_cli(&redis, &["RPUSH", "jobs:work", "d"]).await;
    world.deployment("worker", 0).await;
    let mut spec = quick("");
    let list = json!({ "redis": { "url": redis.url() }, "keys": ["jobs"], "processingKeys": ["jobs:work"] });
    spec["source"] = json!({ "list": list });
    spec["target"] = json!({ "backlogPerReplica": 1 });
    world.scaler("x", spec).await;
    let controller = world.controller("caudal");
    world.until_replicas("worker", 4).await;
    redis_cli(&redis, &["DEL", "jobs"]).await;
    world.until_replicas("worker", 1).await;
    redis_cli(&redis, &["DEL", "jobs:work"]).await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}

#[tokio::test]
async fn a_password_is_taken_from_its_secret_also_when_that_comes_late() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 5).await;
    redis_cli(&redis, &["CONFIG", "SET", "requirepass", "se/cr:et@"]).await;
    world.deployment("worker", 0).await;
    let mut spec = quick(&redis.url());
    spec["source"]["caudal"]["redis"]["passwordSecret"] = json!({ "name": "redis", "key": "it" });
    world.scaler("x", spec).await;
    let controller = world.controller("caudal");

    let (reason, message) = world.until_condition("x", "Ready", "False").await;
    assert_eq!(
        (reason.as_str(), message.as_str()),
        (
            "SecretNotFound",
            "the Redis password: Secret/redis is not there: create it, or let the controller read it: controller.secretNames"
        )
    );
    world.kubectl(&["create", "secret", "generic", "redis", "--from-literal=it=wrong"]).await;
    world
        .until("the wrong password is told", async || {
            let (reason, _) = world.until_condition("x", "Ready", "False").await;
            if reason == "SourceMisconfigured" { Ok(()) } else { Err(reason) }
        })
        .await;
    world.kubectl(&["delete", "secret", "redis"]).await;
    world.kubectl(&["create", "secret", "generic", "redis", "--from-literal=it=se/cr:et@"]).await;
    world.until_replicas("worker", 1).await;
    world.until_event("x", "ScaledUp").await;
    let events = world.events("x").await;
    assert_eq!(events.iter().filter(|(reason, _)| reason == "SecretNotFound").count(), 1, "told once: {events:?}");
    let everything = world.kubectl(&["get", "qs,events", "--output", "yaml"]).await;
    assert!(!everything.contains("cr:et"), "the password is shown");
    controller.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_plainly_and_holds_up_nobody() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 5).await;
    world.deployment("worker", 0).await;
    let mut nowhere = quick("redis://127.0.0.1:99999");
    nowhere["scaleTargetRef"]["name"] = json!("other");
    world.deployment("other", 1).await;
    world.scaler("nowhere", nowhere).await;
    let mut lost = quick(&redis.url());
    lost["scaleTargetRef"]["name"] = json!("lost");
    world.scaler("lost", lost).await;
    let mut odd = quick(&redis.url());
    odd["scaleTargetRef"] = json!({ "apiVersion": "odd.example/v1", "kind": "Odd", "name": "odd" });
    world.scaler("odd", odd).await;
    let mut typo = quick(&redis.url());
    typo["scaleTargetRef"] = json!({ "kind": "deployment", "name": "worker" });
    world.scaler("typo", typo).await;
    let mut fixed = quick(&redis.url());
    fixed["scaleTargetRef"] = json!({ "kind": "DaemonSet", "name": "fixed" });
    daemon_set(&world, "fixed").await;
    world.scaler("fixed", fixed).await;
    world.scaler("good", quick(&redis.url())).await;
    let controller = world.controller("caudal");

    world.until_replicas("worker", 1).await;
    let (reason, message) = world.until_condition("nowhere", "Stalled", "True").await;
    assert_eq!(reason, "InvalidSource");
    assert!(message.starts_with("redis://127.0.0.1:99999 is no address of a Redis: write redis://"), "{message}");
    assert_eq!(world.replicas("other").await, 1, "unknown is not zero");
    let (reason, message) = world.until_condition("lost", "Ready", "False").await;
    assert_eq!(reason, "TargetNotFound");
    assert!(message.starts_with("Deployment/lost is not there: create it, or name another"), "{message}");
    let (_, message) = world.until_condition("odd", "Ready", "False").await;
    assert!(message.contains("the kind Odd of odd.example/v1"), "{message}");
    let (reason, message) = world.until_condition("typo", "Ready", "False").await;
    assert_eq!(reason, "TargetNotFound");
    assert!(message.starts_with("the kind deployment of apps/v1 is not there: "), "{message}");
    let (reason, message) = world.until_condition("fixed", "Ready", "False").await;
    assert_eq!(reason, "TargetNotFound");
    assert!(message.starts_with("DaemonSet/fixed or its /scale is not there: "), "{message}");

    world.deployment("lost", 0).await;
    world.until_replicas("lost", 1).await;
    world.until_condition("lost", "Ready", "True").await;
    controller.stop().await;
}

async fn daemon_set(world: &World, name: &str) {
    let sets: Api<DaemonSet> = Api::namespaced(world.client.clone(), &world.namespace);
    let mut set = deployment(name, None);
    set["kind"] = json!("DaemonSet");
    sets.create(&PostParams::default(), &serde_json::from_value(set).unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_so_and_holds_up_nobody() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 5).await;
    world.deployment("worker", 0).await;
    // The API server takes this for a time.
    let mut odd = json!({
        "apiVersion": "caudal.dev/v1alpha1", "kind": "QueueScaler", "metadata": { "name": "odd" }, "spec": quick(&redis.url()),
    });
    world.deployment("other", 0).await;
    odd["spec"]["scaleTargetRef"]["name"] = json!("other");
    odd["spec"]["override"] = json!({ "replicas": 9, "until": "2030-01-31T18:00:00+99:99" });
    let resource = ApiResource::erase::<QueueScaler>(&());
    let objects: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    objects.create(&PostParams::default(), &serde_json::from_value(odd).unwrap()).await.unwrap();
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller("caudal");

    world.until_replicas("worker", 1).await;
    let note = world.until_event("odd", "Unreadable").await;
    assert!(note.starts_with("this QueueScaler cannot be read, so nobody looks after it"), "{note}");
    world.patch("odd", json!({ "override": null })).await;
    world.until_replicas("other", 1).await;
    controller.stop().await;
}
