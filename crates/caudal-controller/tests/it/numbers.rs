//! What a Prometheus reads of the controller.

use std::collections::BTreeMap;

use caudal_testkit::Redis;
use kube::api::DeleteParams;

use crate::world::{Controller, World, drain, enqueue, queue, quick};

type Numbers = BTreeMap<String, f64>;

/// A gauge of the scaler `x`.
fn of_x(world: &World, numbers: &Numbers, gauge: &str) -> Option<f64> {
    numbers.get(&format!("caudal_queuescaler_{gauge}{{namespace=\"{}\",name=\"x\"}}", world.namespace)).copied()
}

async fn until(world: &World, controller: &Controller, what: &str, is: impl Fn(&Numbers) -> bool) -> Numbers {
    world
        .until(what, async || {
            let numbers = controller.numbers().await;
            if is(&numbers) { Ok(numbers) } else { Err(numbers) }
        })
        .await
}

#[tokio::test]
async fn a_reaction_is_measured_and_each_object_has_its_numbers_at_its_leader_alone() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let leader = world.scaled_by(&redis).await;
    world.until_condition("x", "Active", "False").await;
    let standby = world.controller("caudal");
    standby.ready().await;
    until_a_wake_wins(&world, &redis, &leader).await;
    let numbers = until(&world, &leader, "the step up is seen", |numbers| {
        of_x(&world, numbers, "current_replicas") == Some(20.0)
    })
    .await;
    let gauge = |name: &str| of_x(&world, &numbers, name);
    assert_eq!(
        (gauge("desired_replicas"), gauge("backlog"), gauge("busy_workers")),
        (Some(20.0), Some(100.0), Some(0.0))
    );
    assert_eq!((gauge("drain_seconds"), gauge("service_per_second")), (Some(f64::INFINITY), None), "nobody works");
    assert!(gauge("look_age_seconds") < Some(5.0), "{numbers:?}");

    leads_alone(&world, &leader, &standby).await;
    leader.stop().await;
    until(&world, &standby, "the stand-by shows them now", |numbers| of_x(&world, numbers, "backlog") == Some(100.0))
        .await;
    world.scalers().delete("x", &DeleteParams::default()).await.unwrap();
    until(&world, &standby, "nothing is shown of what is gone", |numbers| of_x(&world, numbers, "backlog").is_none())
        .await;
    standby.stop().await;
}

/// A tick between the arrival of work and its wake may scale first: then the work is done, and comes again.
async fn until_a_wake_wins(world: &World, redis: &Redis, leader: &Controller) {
    let queue = queue(redis);
    let mut steps = 0.0;
    let reactions = loop {
        enqueue(&queue, 100).await;
        world.until_replicas("worker", 20).await;
        steps += 1.0;
        let up = "caudal_controller_decisions_total{reason=\"Backlog\",change=\"up\"}";
        let counted = |numbers: &Numbers| numbers.get(up) == Some(&steps);
        let numbers = until(world, leader, "the step up is counted", counted).await;
        let idle = "caudal_controller_decisions_total{reason=\"Idle\",change=\"none\"}";
        assert!(numbers.get(idle) >= Some(&1.0), "{numbers:?}");
        let reactions = numbers.get("caudal_controller_reaction_seconds_count").copied();
        if reactions > Some(0.0) || steps > 9.0 {
            assert!(numbers.get("caudal_controller_reaction_seconds_sum") >= Some(&0.0), "{numbers:?}");
            break reactions;
        }
        drain(&queue).await;
        world.until_replicas("worker", 0).await;
    };
    assert_eq!(reactions, Some(1.0), "in {steps} steps up");
}

async fn leads_alone(world: &World, leader: &Controller, standby: &Controller) {
    let lease = format!("caudal_controller_leads{{namespace=\"{}\",lease=\"caudal\"}}", world.namespace);
    let numbers = leader.numbers().await;
    assert_eq!(numbers.get(&lease), Some(&1.0), "{numbers:?}");
    let numbers = standby.numbers().await;
    assert_eq!(numbers.get(&lease), Some(&0.0), "{numbers:?}");
    assert!(!numbers.keys().any(|name| name.contains("queuescaler")), "{numbers:?}");
}

#[tokio::test]
async fn a_queue_that_cannot_be_read_has_no_numbers_but_their_age() {
    let world = World::new().await;
    let mut redis = Redis::start().await.unwrap();
    let controller = world.scaled_by(&redis).await;
    until(&world, &controller, "the queue is read", |numbers| of_x(&world, numbers, "backlog") == Some(0.0)).await;
    redis.stop().await.unwrap();
    let numbers =
        until(&world, &controller, "the outage shows", |numbers| of_x(&world, numbers, "look_age_seconds") > Some(3.0))
            .await;
    assert_eq!(of_x(&world, &numbers, "backlog"), None, "an unknown is never 0");
    assert_eq!(of_x(&world, &numbers, "current_replicas"), Some(0.0));
    let errors = "caudal_controller_source_errors_total{reason=\"SourceUnavailable\"}";
    assert!(numbers.get(errors) >= Some(&1.0), "{numbers:?}");
    controller.stop().await;
}

#[tokio::test]
async fn work_that_was_there_before_is_no_reaction() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    enqueue(&queue(&redis), 100).await;
    world.deployment("worker", 0).await;
    world.scaler("x", quick(&redis.url())).await;
    let controller = world.controller("caudal");
    world.until_replicas("worker", 20).await;
    let up = "caudal_controller_decisions_total{reason=\"Backlog\",change=\"up\"}";
    let numbers = until(&world, &controller, "the step is counted", |numbers| numbers.contains_key(up)).await;
    assert_eq!(numbers.get("caudal_controller_reaction_seconds_count"), Some(&0.0), "{numbers:?}");
    controller.stop().await;
}
