//! Who has the say: override, pin, pause, dry run.

use caudal_testkit::Redis;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::world::{World, drain, enqueue, queue};

#[tokio::test]
async fn an_override_wins_over_the_pin_and_ends_at_its_time() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let controller = world.scaled_by(&redis).await;
    world.patch("x", json!({ "replicas": 2 })).await;
    world.until_replicas("worker", 2).await;

    let until = Utc::now() + TimeDelta::seconds(15);
    world.patch("x", json!({ "override": { "replicas": 30, "until": until } })).await;
    world.until_replicas("worker", 30).await;
    world
        .until("the override is told", async || match world.until_condition("x", "Pinned", "True").await {
            (reason, message) if reason == "Override" && message.contains("spec.override holds 30 until") => Ok(()),
            other => Err(other),
        })
        .await;

    let decided = changed_at(&world).await;
    assert!(decided >= DateTime::from_timestamp(until.timestamp(), 0).unwrap(), "{decided} is before {until}");
    controller.stop().await;
}

async fn changed_at(world: &World) -> DateTime<Utc> {
    world
        .until("the last change is told", async || {
            let decision = world.scalers().get("x").await.unwrap().status.unwrap_or_default().last_decision;
            match decision {
                Some(decision) if decision.to == 2 && decision.from == 30 => Ok(decision.at),
                other => Err(other),
            }
        })
        .await
}

#[tokio::test]
async fn a_pause_holds_its_direction_alone() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let queue = queue(&redis);
    let controller = world.scaled_by(&redis).await;
    pause(&world, json!("Out")).await;
    enqueue(&queue, 25).await;
    world.until_condition("x", "Active", "True").await;
    assert_eq!(world.replicas("worker").await, 0);
    pause(&world, json!("In")).await;
    world.until_replicas("worker", 5).await;
    drain(&queue).await;
    world.until_condition("x", "Active", "False").await;
    world.patch("x", json!({ "cooldownSeconds": 0, "scaleDown": { "stabilizationSeconds": 0 } })).await;
    world.until_seen("x").await;
    assert_eq!(world.replicas("worker").await, 5);
    pause(&world, Value::Null).await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}

async fn pause(world: &World, direction: Value) {
    world.patch("x", json!({ "pause": direction })).await;
    world.until_seen("x").await;
}

#[tokio::test]
async fn a_dry_run_tells_and_does_not_write() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let controller = world.scaled_by(&redis).await;
    world.patch("x", json!({ "dryRun": true })).await;
    world.until_seen("x").await;
    enqueue(&queue(&redis), 25).await;
    world
        .until("the decision is told", async || {
            let status = world.scalers().get("x").await.unwrap().status.unwrap_or_default();
            let told = status.last_decision.as_ref().is_some_and(|decision| decision.to == 5);
            if told { Ok(()) } else { Err(status) }
        })
        .await;
    assert_eq!(world.replicas("worker").await, 0);
    world.patch("x", json!({ "dryRun": false })).await;
    world.until_replicas("worker", 5).await;
    controller.stop().await;
}
