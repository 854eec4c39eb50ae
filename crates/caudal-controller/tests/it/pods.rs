//! Before a step down the pods of busy workers are marked, so that idle ones are ended.

use std::collections::BTreeMap;
use std::time::Duration;

use caudal_queue::{Consumer, Lease, Queue, Settlement};
use caudal_testkit::{Redis, wait};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{SOON, World, enqueue, queue, quick};

const ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";
pub(crate) const MARK: &str = "2147483647";

pub(crate) fn pods(world: &World) -> Api<Pod> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

/// A pod of the Deployment `worker` that runs.
pub(crate) async fn pod(world: &World, name: &str, annotations: Value) {
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": "worker" }, "annotations": annotations },
        "spec": { "containers": [{ "name": "worker", "image": "worker" }] },
    });
    pods(world).create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let running = Patch::Merge(json!({ "status": { "phase": "Running" } }));
    pods(world).patch_status(name, &PatchParams::default(), &running).await.unwrap();
}

/// The costs of all pods that have one.
pub(crate) async fn costs(world: &World) -> BTreeMap<String, String> {
    let found = pods(world).list(&ListParams::default()).await.unwrap().into_iter();
    let cost = |pod: Pod| Some((pod.metadata.name?, pod.metadata.annotations?.remove(ANNOTATION)?));
    found.filter_map(cost).collect()
}

pub(crate) fn all(costs: &[(&str, &str)]) -> BTreeMap<String, String> {
    costs.iter().map(|(pod, cost)| ((*pod).to_owned(), (*cost).to_owned())).collect()
}

/// Has the worker of this pod take a chunk.
async fn busy(queue: &Queue, pod: &str) -> (Consumer, Lease) {
    enqueue(queue, 1).await;
    let mut consumer = queue.consumer(&format!("{pod}/1"));
    let taken = async || consumer.lease(1, Duration::from_millis(100)).await.unwrap().pop().ok_or("nothing");
    let lease = wait::until("a chunk is taken", SOON, taken).await.unwrap();
    (consumer, lease)
}

fn version(version: Option<String>) -> u64 {
    version.unwrap().parse().unwrap()
}

#[tokio::test]
async fn busy_pods_are_marked_before_the_step_and_lose_the_mark_when_others_are_busy() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let queue = queue(&redis);
    for name in ["a", "b"] {
        pod(&world, name, json!({})).await;
    }
    pod(&world, "others", json!({ ANNOTATION: "-5" })).await;
    world.deployment("worker", 3).await;
    let (_a, lease) = busy(&queue, "a").await;
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller("caudal");
    world.until_replicas("worker", 1).await;
    assert_eq!(costs(&world).await, all(&[("a", MARK), ("others", "-5")]));
    let marked = version(pods(&world).get("a").await.unwrap().metadata.resource_version);
    let stepped = version(world.deployments().get("worker").await.unwrap().metadata.resource_version);
    assert!(marked < stepped, "marked at {marked}, stepped at {stepped}");

    world.patch("x", json!({ "replicas": 3 })).await;
    world.until_replicas("worker", 3).await;
    let settlement = Settlement { recorded: lease.count, ..Settlement::default() };
    queue.settle(&[(&lease, &settlement)]).await.unwrap();
    let _b = busy(&queue, "b").await;
    world.patch("x", json!({ "replicas": null })).await;
    world.until_replicas("worker", 1).await;
    assert_eq!(costs(&world).await, all(&[("b", MARK), ("others", "-5")]));
    controller.stop().await;
}

#[tokio::test]
async fn a_controller_that_may_not_touch_pods_steps_down_all_the_same() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    pod(&world, "a", json!({})).await;
    world.deployment("worker", 3).await;
    let _a = busy(&queue(&redis), "a").await;
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller_as("caudal", &without_pods(&world).await);
    world.until_replicas("worker", 1).await;
    assert_eq!(costs(&world).await, all(&[]));
    controller.stop().await;
}

/// A user who may do all that a controller does, but for pods.
async fn without_pods(world: &World) -> String {
    let (client, namespace) = (&world.client, &world.namespace);
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    let make = PostParams::default();
    let account = json!({ "metadata": { "name": "some" } });
    let groups = ["caudal.dev", "apps", "autoscaling", "coordination.k8s.io", "events.k8s.io"];
    let rule = json!({ "apiGroups": groups, "resources": ["*"], "verbs": ["*"] });
    let role = json!({ "metadata": { "name": "some" }, "rules": [rule] });
    let subject = json!({ "kind": "ServiceAccount", "name": "some", "namespace": namespace });
    let named = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some" });
    let binding = json!({ "metadata": { "name": "some" }, "roleRef": named, "subjects": [subject] });
    accounts.create(&make, &serde_json::from_value(account).unwrap()).await.unwrap();
    roles.create(&make, &serde_json::from_value(role).unwrap()).await.unwrap();
    bindings.create(&make, &serde_json::from_value(binding).unwrap()).await.unwrap();
    format!("system:serviceaccount:{namespace}:some")
}

#[tokio::test]
async fn chunks_of_a_worker_that_is_gone_wake_another() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    drop(busy(&queue(&redis), "gone").await);
    let controller = world.scaled_by(&redis).await;
    world.until_replicas("worker", 1).await;
    controller.stop().await;
}
