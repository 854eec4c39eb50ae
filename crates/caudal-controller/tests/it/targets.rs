//! The target as it comes, goes and changes under the controller's hands.

use std::time::Duration;

use caudal_testkit::Redis;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::world::{World, deployment, enqueue, queue, quick};

#[tokio::test]
async fn a_target_that_goes_is_told_and_acted_on_again_when_it_comes_back() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 15).await;
    let controller = world.scaled_by(&redis).await;
    world.until_replicas("worker", 3).await;
    world.deployments().delete("worker", &DeleteParams::default()).await.unwrap();
    let (reason, _) = world.until_condition("x", "Ready", "False").await;
    assert_eq!(reason, "TargetNotFound");
    world.deployment("worker", 1).await;
    world.until_replicas("worker", 3).await;
    world.until_condition("x", "Ready", "True").await;
    controller.stop().await;
}

#[tokio::test]
async fn a_target_that_changes_all_the_time_is_written_all_the_same() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let queue = queue(&redis);
    let controller = world.scaled_by(&redis).await;
    world.until_condition("x", "Ready", "True").await;
    let deployments = world.deployments();
    // More often than any kubelet tells of pods; each change is a write of the control plane.
    let mut times = tokio::time::interval(Duration::from_millis(100));
    let change = async {
        for number in 0.. {
            times.tick().await;
            let ready = json!({ "status": { "replicas": 1, "readyReplicas": 1, "observedGeneration": number } });
            deployments.patch_status("worker", &PatchParams::default(), &Patch::Merge(ready)).await.unwrap();
        }
    };
    let scale = async {
        for replicas in 1..=5 {
            enqueue(&queue, 5).await;
            world.until_replicas("worker", replicas).await;
        }
    };
    tokio::select! {
        () = change => {}
        () = scale => {}
    }
    controller.stop().await;
}

#[tokio::test]
async fn a_stateful_set_is_scaled_too() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 15).await;
    let sets: Api<StatefulSet> = Api::namespaced(world.client.clone(), &world.namespace);
    let mut set = deployment("set", Some(0));
    (set["kind"], set["spec"]["serviceName"]) = (json!("StatefulSet"), json!("set"));
    sets.create(&PostParams::default(), &serde_json::from_value(set).unwrap()).await.unwrap();
    let mut spec = quick(&redis.url());
    spec["scaleTargetRef"] = json!({ "kind": "StatefulSet", "name": "set" });
    world.scaler("x", spec).await;
    let controller = world.controller("caudal");
    world
        .until("the set has 3 replicas", async || {
            let replicas = sets.get("set").await.unwrap().spec.and_then(|spec| spec.replicas);
            if replicas == Some(3) { Ok(()) } else { Err(replicas) }
        })
        .await;
    controller.stop().await;
}

#[tokio::test]
async fn a_kind_that_is_not_watched_is_scaled_too() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 15).await;
    world.deployment("worker", 0).await;
    world.scaler("pinned", quick(&redis.url())).await;
    world.patch("pinned", json!({ "dryRun": true })).await;
    let mut spec = quick(&redis.url());
    spec["scaleTargetRef"] = json!({ "apiVersion": "caudal.dev/v1alpha1", "kind": "QueueScaler", "name": "pinned" });
    world.patch("pinned", json!({ "replicas": 0 })).await;
    world.scaler("x", spec).await;
    let controller = world.controller("caudal");
    world
        .until("the pin is set to 3", async || {
            let pin = world.scalers().get("pinned").await.unwrap().spec.replicas;
            if pin == Some(3) { Ok(()) } else { Err(pin) }
        })
        .await;
    controller.stop().await;
}
