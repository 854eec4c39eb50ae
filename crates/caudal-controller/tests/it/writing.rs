//! One writer of the replicas: whoever made the target, and whoever lays a hand on it.

use caudal_testkit::Redis;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{World, deployment, enqueue, queue, quick};

/// Asks for 3 workers of a Deployment that is already there.
async fn first_write_succeeds(world: &World) {
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 15).await;
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller("caudal");
    world.until_replicas("worker", 3).await;
    assert_eq!(world.until_condition("x", "Ready", "True").await.0, "Scaling");
    controller.stop().await;
}

/// Helm 3 creates on the client's side, under the name `helm`.
async fn made_by_helm(world: &World, deployment: Value) {
    let helm = PostParams { field_manager: Some("helm".to_owned()), ..PostParams::default() };
    world.deployments().create(&helm, &serde_json::from_value(deployment).unwrap()).await.unwrap();
    first_write_succeeds(world).await;
}

#[tokio::test]
async fn the_first_write_succeeds_on_a_deployment_made_by_helm() {
    made_by_helm(&World::new().await, deployment("worker", Some(0))).await;
}

#[tokio::test]
async fn the_first_write_succeeds_on_a_deployment_made_by_helm_without_replicas() {
    made_by_helm(&World::new().await, deployment("worker", None)).await;
}

#[tokio::test]
async fn the_first_write_succeeds_on_a_deployment_made_by_kubectl_apply() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker.json");
    std::fs::write(&file, deployment("worker", Some(1)).to_string()).unwrap();
    world.kubectl(&["apply", "--filename", file.to_str().unwrap()]).await;
    first_write_succeeds(&world).await;
}

#[tokio::test]
async fn the_first_write_succeeds_on_a_deployment_made_by_server_side_apply() {
    let world = World::new().await;
    let other = PatchParams::apply("another");
    world.deployments().patch("worker", &other, &Patch::Apply(deployment("worker", Some(1)))).await.unwrap();
    first_write_succeeds(&world).await;
}

#[tokio::test]
async fn kubectl_scale_pins_until_the_pin_is_removed() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let controller = world.scaled_by(&redis).await;

    world.kubectl(&["scale", "qs/x", "--replicas=3"]).await;
    world.until_replicas("worker", 3).await;
    let (reason, message) = world.until_condition("x", "Pinned", "True").await;
    assert_eq!(reason, "Pin");
    assert!(message.contains("spec.replicas pins 3"), "{message}");
    let shown =
        world.kubectl(&["get", "qs/x", "--output", "jsonpath={.status.replicas} {.status.lastDecision.reason}"]).await;
    assert_eq!(shown, "3 spec.replicas pins 3");

    let remove = r#"[{"op":"remove","path":"/spec/replicas"}]"#;
    world.kubectl(&["patch", "qs/x", "--type=json", "--patch", remove]).await;
    world.until_condition("x", "Pinned", "False").await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}

#[tokio::test]
async fn a_hand_on_the_target_is_overruled_and_told_how_to_pin() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let controller = world.scaled_by(&redis).await;
    world.until_condition("x", "Ready", "True").await;

    world.kubectl(&["scale", "deployment/worker", "--replicas=7"]).await;
    world.until_replicas("worker", 0).await;
    let note = world.until_event("x", "Overruled").await;
    assert!(note.starts_with("kubectl set Deployment/worker to 7, and it was overruled"), "{note}");
    assert!(note.contains("kubectl scale queuescaler/x --replicas=7") && note.contains("spec.pause"), "{note}");

    world.patch("x", json!({ "pause": "Both" })).await;
    world.until_seen("x").await;
    world.kubectl(&["scale", "deployment/worker", "--replicas=2"]).await;
    world
        .until("the paused number is shown", async || {
            let status = world.scalers().get("x").await.unwrap().status.unwrap_or_default();
            if status.replicas == Some(2) { Ok(()) } else { Err(status) }
        })
        .await;
    enqueue(&queue(&redis), 50).await;
    world.until_condition("x", "Active", "True").await;
    assert_eq!(world.replicas("worker").await, 2);
    controller.stop().await;
}
