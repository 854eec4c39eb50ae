//! Watches that are cut: what happened meanwhile is made up for, and nothing is done twice.

use std::sync::Arc;

use caudal_testkit::Redis;
use futures_util::StreamExt;
use kube::Client;
use kube::api::{DeleteParams, ListParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::proxy::Proxy;
use crate::world::{Controller, World, enqueue, queue, quick};

#[tokio::test]
async fn what_happened_while_all_connections_were_cut_is_made_up_for_once() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let (controller, proxy) = behind_a_proxy(&world, &redis).await;
    proxy.shut().await;
    change(&world, &redis).await;
    proxy.open();
    until_made_up_for(&world, &controller).await;
    controller.stop().await;
}

#[tokio::test]
async fn an_api_server_that_was_killed_and_has_forgotten_what_happened_is_made_up_for_once() {
    let mut world = World::alone().await;
    let redis = Redis::start().await.unwrap();
    let (controller, proxy) = behind_a_proxy(&world, &redis).await;
    proxy.shut().await;
    let seen = world.scalers().list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    change(&world, &redis).await;
    let plane = Arc::get_mut(&mut world.plane).unwrap();
    plane.kill().await.unwrap();
    plane.restart().await.unwrap();
    assert_eq!(told_after(&world, &seen).await, 410, "the past is gone");
    proxy.open();
    until_made_up_for(&world, &controller).await;
    assert!(controller.probes.is_ready());
    controller.stop().await;
}

/// What the API server says to a watch that goes on from this version, once it says anything: the code of an error.
async fn told_after(world: &World, version: &str) -> u16 {
    let scalers = world.scalers();
    let asked = WatchParams::default().timeout(5);
    let begun = async || scalers.watch(&asked, version).await;
    let mut events = Box::pin(world.until("a watch begins", begun).await);
    match events.next().await {
        Some(Ok(WatchEvent::Error(status))) => status.code,
        other => panic!("{other:?}"),
    }
}

/// A controller that reaches the API server by the proxy, and has given three Deployments the 5 replicas that a queue of 25 needs.
async fn behind_a_proxy(world: &World, redis: &Redis) -> (Controller, Proxy) {
    enqueue(&queue(redis), 25).await;
    for name in ["still", "changed", "gone"] {
        scaled(world, redis, name).await;
    }
    let proxy = Proxy::before(world.plane.url()).await;
    let mut config = world.config().await;
    config.cluster_url = proxy.url.parse().unwrap();
    let controller = world.controller_over(move |_| Client::try_from(config).unwrap());
    for name in ["still", "changed", "gone"] {
        world.until_replicas(name, 5).await;
        world.until_event(name, "ScaledUp").await;
        world.until_condition(name, "Active", "True").await;
    }
    (controller, proxy)
}

async fn scaled(world: &World, redis: &Redis, name: &str) {
    world.deployment(name, 0).await;
    let mut spec = quick(&redis.url());
    spec["scaleTargetRef"]["name"] = json!(name);
    world.scaler(name, spec).await;
}

/// One comes, one changes, one goes, and one stays as it is.
async fn change(world: &World, redis: &Redis) {
    scaled(world, redis, "late").await;
    world.patch("changed", json!({ "replicas": 7 })).await;
    world.scalers().delete("gone", &DeleteParams::default()).await.unwrap();
}

/// Waits until the controller has done what there was to do, does what comes then too, and has done nothing else.
async fn until_made_up_for(world: &World, controller: &Controller) {
    world.until_replicas("late", 5).await;
    world.until_replicas("changed", 7).await;
    world.until_event("late", "ScaledUp").await;
    world.patch("late", json!({ "replicas": 3 })).await;
    world.until_replicas("late", 3).await;
    let looked_after = async || {
        let numbers = controller.numbers().await;
        let current = |name: &str| {
            let labels = format!("{{namespace=\"{}\",name=\"{name}\"}}", world.namespace);
            numbers.get(&format!("caudal_queuescaler_current_replicas{labels}")).copied()
        };
        let found = ["still", "changed", "gone", "late"].map(current);
        if found == [Some(5.0), Some(7.0), None, Some(3.0)] { Ok(numbers) } else { Err(found) }
    };
    let numbers = world.until("those that are there are looked after", looked_after).await;
    let written = |change: &str| -> f64 {
        let counted = numbers.iter().filter(|(name, _)| name.starts_with("caudal_controller_decisions"));
        counted.filter(|(name, _)| name.contains(change)).map(|(_, count)| count).sum()
    };
    assert_eq!((written("change=\"up\""), written("change=\"down\"")), (5.0, 1.0), "{numbers:?}");
    world.until_event("late", "ScaledDown").await;
    let told = async || {
        let decision = world.scalers().get("late").await.unwrap().status.unwrap_or_default().last_decision;
        if decision.as_ref().is_some_and(|decision| decision.to == 3) { Ok(()) } else { Err(decision) }
    };
    world.until("the last decision is told", told).await;
    for (name, changes) in [("still", 1), ("gone", 1), ("late", 2)] {
        let events = world.events(name).await;
        let told = events.iter().filter(|(reason, _)| reason.starts_with("Scaled")).count();
        assert_eq!(told, changes, "{name}: {events:?}");
    }
}
