//! Several scalers of one target: one of them writes, the others say whom they see.

use caudal_testkit::Redis;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::world::{Controller, World, enqueue, queue, quick};

/// A Deployment with one worker, a backlog that needs ten, and a controller that is ready.
async fn at_work() -> (World, Redis, Controller) {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 50).await;
    world.deployment("worker", 1).await;
    let controller = world.controller("caudal");
    controller.ready().await;
    (world, redis, controller)
}

/// Waits until `x` names the rival, and makes sure that it leaves the target alone.
async fn yields_to(world: &World, x: &str, rival: &str) {
    let (_, message) = world.until_condition(x, "ScaleConflict", "True").await;
    assert!(message.contains(&format!("{rival} scales Deployment/worker too")), "{message}");
    assert_eq!(world.replicas("worker").await, 1);
}

async fn takes_over(world: &World, x: &str) {
    world.until_replicas("worker", 10).await;
    world.until_condition(x, "ScaleConflict", "False").await;
}

#[tokio::test]
async fn an_autoscaler_of_the_target_is_a_conflict_and_nothing_is_written_until_it_is_gone() {
    let (world, redis, controller) = at_work().await;
    let rivals: Api<HorizontalPodAutoscaler> = Api::namespaced(world.client.clone(), &world.namespace);
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "worker" });
    let rival = json!({ "metadata": { "name": "hpa" }, "spec": { "scaleTargetRef": target, "maxReplicas": 4 } });
    world.scaler("x", with(&redis, json!({ "dryRun": true }))).await;
    world.until_condition("x", "Ready", "True").await;
    rivals.create(&PostParams::default(), &serde_json::from_value(rival).unwrap()).await.unwrap();
    world.until_condition("x", "ScaleConflict", "True").await;
    world.patch("x", json!({ "dryRun": false })).await;
    world.until_seen("x").await;
    yields_to(&world, "x", "HorizontalPodAutoscaler/hpa").await;
    rivals.delete("hpa", &DeleteParams::default()).await.unwrap();
    takes_over(&world, "x").await;
    controller.stop().await;
}

#[tokio::test]
async fn a_scaled_object_of_keda_is_a_conflict_by_itself() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let rivals = scaled_objects(&world).await;
    enqueue(&queue(&redis), 50).await;
    world.deployment("worker", 1).await;
    let rival = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": "keda" },
        "spec": { "scaleTargetRef": { "name": "worker" } },
    });
    rivals.create(&PostParams::default(), &serde_json::from_value(rival).unwrap()).await.unwrap();
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller("caudal");
    yields_to(&world, "x", "ScaledObject/keda").await;
    rivals.delete("keda", &DeleteParams::default()).await.unwrap();
    takes_over(&world, "x").await;
    controller.stop().await;
}

/// Installs as much of KEDA as the API server needs to keep its objects.
async fn scaled_objects(world: &World) -> Api<DynamicObject> {
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let version = json!({ "name": "v1alpha1", "served": true, "storage": true, "schema": schema });
    let names = json!({ "kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject" });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "scaledobjects.keda.sh" },
        "spec": { "group": "keda.sh", "names": names, "scope": "Namespaced", "versions": [version] },
    });
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let applied = PatchParams::apply("tests").force();
    definitions.patch("scaledobjects.keda.sh", &applied, &Patch::Apply(definition)).await.unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject"));
    let rivals: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    world.until("ScaledObjects are served", async || rivals.list(&Default::default()).await.map(drop)).await;
    rivals
}

#[tokio::test]
async fn of_two_queuescalers_on_one_target_the_older_scales_and_the_younger_waits_for_its_end() {
    let (world, redis, controller) = at_work().await;
    let pinned = with(&redis, json!({ "replicas": 1 }));
    world.scaler("old", pinned.clone()).await;
    world.until_condition("old", "Pinned", "True").await;
    // Objects of the same second are told apart by their names.
    let made_at = world.scalers().get("old").await.unwrap().metadata.creation_timestamp;
    world
        .until("another second", async || {
            world.scaler("probe", pinned.clone()).await;
            let probe = world.scalers().get("probe").await.unwrap().metadata.creation_timestamp;
            world.scalers().delete("probe", &DeleteParams::default()).await.unwrap();
            if probe == made_at { Err("the same second") } else { Ok(()) }
        })
        .await;
    world.scaler("a-younger", quick(&redis.url())).await;
    yields_to(&world, "a-younger", "QueueScaler/old").await;
    world.until_condition("old", "ScaleConflict", "False").await;

    world.patch("old", json!({ "dryRun": true })).await;
    takes_over(&world, "a-younger").await;
    world.patch("old", json!({ "dryRun": false })).await;
    world.until_replicas("worker", 1).await;
    world.until_condition("a-younger", "ScaleConflict", "True").await;
    world.scalers().delete("old", &DeleteParams::default()).await.unwrap();
    takes_over(&world, "a-younger").await;
    controller.stop().await;
}

#[tokio::test]
async fn a_dry_run_beside_another_scaler_tells_what_it_would_do() {
    let (world, redis, controller) = at_work().await;
    world.scaler("old", with(&redis, json!({ "replicas": 1 }))).await;
    world.until_condition("old", "Pinned", "True").await;
    world.scaler("x", with(&redis, json!({ "dryRun": true }))).await;
    world
        .until("the dry run's decision is told", async || {
            let decision = world.scalers().get("x").await.unwrap().status.unwrap_or_default().last_decision;
            match decision {
                Some(decision) if decision.to == 10 && decision.reason.starts_with("dry run, not written") => Ok(()),
                other => Err(other),
            }
        })
        .await;
    assert_eq!(world.replicas("worker").await, 1);
    controller.stop().await;
}

fn with(redis: &Redis, more: Value) -> Value {
    let mut spec = quick(&redis.url());
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}
