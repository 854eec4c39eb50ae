//! One writer, however many controllers.

use std::time::{Duration, Instant};

use caudal_testkit::Redis;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::world::{Controller, SOON, World, drain, enqueue, queue, quick};

async fn holder(world: &World, lease: &str) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    let found = leases.get_opt(lease).await.unwrap()?;
    found.spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty())
}

/// The pods with which a Lease goes.
async fn owners(world: &World, lease: &str) -> Vec<String> {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    let owners = leases.get(lease).await.unwrap().metadata.owner_references.unwrap_or_default();
    owners.into_iter().map(|owner| format!("{}/{}", owner.kind, owner.name)).collect()
}

async fn until_another_holds(world: &World, lease: &str, other: Option<&str>) -> String {
    world
        .until("somebody else leads", async || {
            let holder = holder(world, lease).await;
            if holder.as_deref() == other { Err(holder) } else { holder.ok_or(None) }
        })
        .await
}

/// Two controllers of one release, the first of which leads.
async fn two(world: &World) -> (Controller, Controller, String) {
    let first = world.controller("caudal");
    first.ready().await;
    let leader = until_another_holds(world, "caudal", None).await;
    let second = world.controller("caudal");
    second.ready().await;
    (first, second, leader)
}

#[tokio::test]
async fn of_two_controllers_one_leads_and_the_other_follows_a_clean_exit_at_once() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let queue = queue(&redis);
    world.deployment("worker", 0).await;
    world.scaler("x", quick(&redis.url())).await;
    let (first, second, leader) = two(&world).await;
    enqueue(&queue, 100).await;
    world.until_replicas("worker", 20).await;
    assert_eq!(holder(&world, "caudal").await.as_ref(), Some(&leader));
    world.until_event("x", "ScaledUp").await;
    let ups = world.events("x").await.iter().filter(|(reason, _)| reason == "ScaledUp").count();
    assert_eq!(ups, 1, "written once: {:?}", world.events("x").await);

    first.stop().await;
    let left = Instant::now();
    let next = until_another_holds(&world, "caudal", Some(&leader)).await;
    assert!(left.elapsed() < SOON, "took over after {:?}", left.elapsed());
    let (pod, _) = next.split_once('_').unwrap();
    assert_eq!(owners(&world, "caudal").await, [format!("Pod/{pod}")], "the Lease goes with its holder");
    drain(&queue).await;
    world.until_replicas("worker", 0).await;
    second.stop().await;
    assert_eq!(holder(&world, "caudal").await, None, "given back");
}

#[tokio::test]
async fn a_leader_that_dies_is_followed_within_seconds() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    world.deployment("worker", 0).await;
    world.scaler("x", quick(&redis.url())).await;
    let (first, second, _) = two(&world).await;
    world.until_condition("x", "Ready", "True").await;

    first.die();
    let died = Instant::now();
    enqueue(&queue(&redis), 100).await;
    world.until_replicas("worker", 20).await;
    println!("from the leader's death to the next decision: {:?}", died.elapsed());
    assert!(died.elapsed() < SOON, "took over after {:?}", died.elapsed());
    second.stop().await;
}

#[tokio::test]
async fn a_lease_that_stands_is_not_taken_from_its_holder() {
    let world = World::new().await;
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    let held = json!({ "metadata": { "name": "caudal" }, "spec": { "holderIdentity": "frozen" } });
    let begun = Instant::now();
    leases.create(&PostParams::default(), &serde_json::from_value(held).unwrap()).await.unwrap();
    let controller = world.controller("caudal");
    until_another_holds(&world, "caudal", Some("frozen")).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "taken after {:?}", begun.elapsed());
    controller.stop().await;
}

#[tokio::test]
async fn a_labelled_scaler_is_its_releases_and_an_unlabelled_one_anybodys_but_one() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 5).await;
    for (name, labels) in [
        ("blue", json!({ "caudal.dev/controller": "blue" })),
        ("free", json!({})),
        ("red", json!({ "caudal.dev/controller": "red" })),
    ] {
        world.deployment(name, 0).await;
        let mut spec = quick(&redis.url());
        spec["scaleTargetRef"]["name"] = json!(name);
        world.labelled_scaler(name, spec, labels).await;
    }
    let blue = world.controller("blue");
    world.until_replicas("blue", 1).await;
    world.until_replicas("free", 1).await;
    let leader = until_another_holds(&world, "caudal-controller", None).await;
    assert_eq!(world.replicas("red").await, 0, "nobody's yet");

    let red = world.controller("red");
    world.until_replicas("red", 1).await;
    assert_eq!(holder(&world, "caudal-controller").await.as_ref(), Some(&leader), "one writer");
    blue.stop().await;
    until_another_holds(&world, "caudal-controller", Some(&leader)).await;
    red.stop().await;
}

#[tokio::test]
async fn of_two_releases_of_one_name_one_looks_after_a_labelled_scaler() {
    let (home, world) = (World::new().await, World::new().await);
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 5).await;
    world.deployment("worker", 0).await;
    world.labelled_scaler("x", quick(&redis.url()), json!({ "caudal.dev/controller": "caudal" })).await;
    let decisions = async |controller: &Controller| {
        let numbers = controller.numbers().await;
        let made = numbers.iter().filter(|(name, _)| name.starts_with("caudal_controller_decisions_total"));
        made.map(|(_, count)| count).sum::<f64>()
    };
    let first = home.controller_of("caudal", &world.namespace);
    world.until_replicas("worker", 1).await;
    let second = world.controller("caudal");
    second.ready().await;
    let before = decisions(&first).await;
    world
        .until("some more looks", async || {
            let looks = decisions(&first).await - before;
            if looks > 3.0 { Ok(()) } else { Err(looks) }
        })
        .await;
    assert_eq!(decisions(&second).await, 0.0, "the other is at work");

    first.stop().await;
    enqueue(&queue(&redis), 5).await;
    world.until_replicas("worker", 2).await;
    second.stop().await;
}

#[tokio::test]
async fn a_namespaces_lease_is_given_back_with_its_last_scaler() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let controller = world.scaled_by(&redis).await;
    world.until_condition("x", "Ready", "True").await;
    let lease = format!("caudal_controller_leads{{namespace=\"{}\",lease=\"caudal-controller\"}}", world.namespace);
    assert_eq!(controller.numbers().await.get(&lease), Some(&1.0));
    world.scalers().delete("x", &DeleteParams::default()).await.unwrap();
    world
        .until("nobody holds it", async || match holder(&world, "caudal-controller").await {
            None => Ok(()),
            holder => Err(holder),
        })
        .await;
    assert_eq!(controller.numbers().await.get(&lease), None);
    world.scaler("x", quick(&redis.url())).await;
    enqueue(&queue(&redis), 5).await;
    world.until_replicas("worker", 1).await;
    controller.stop().await;
}

#[tokio::test]
async fn a_lease_that_vanishes_stands_for_its_holder() {
    let world = World::new().await;
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    let renewed = |count: u32| {
        let spec = json!({ "holderIdentity": "frozen", "leaseTransitions": count });
        Patch::Apply(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "caudal" }, "spec": spec,
        }))
    };
    let frozen = PatchParams::apply("frozen");
    leases.patch("caudal", &frozen, &renewed(0)).await.unwrap();
    let controller = world.controller("caudal");
    controller.ready().await;
    for count in 1..4 {
        leases.patch("caudal", &frozen, &renewed(count)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let begun = Instant::now();
    leases.delete("caudal", &DeleteParams::default()).await.unwrap();
    until_another_holds(&world, "caudal", Some("frozen")).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "taken after {:?}", begun.elapsed());
    controller.stop().await;
}
