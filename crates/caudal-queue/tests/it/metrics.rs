//! What a Prometheus is told of the queue and its Redis.

use std::time::{Duration, Instant};

use caudal_queue::{Queue, Rejected, Retried, Settlement};
use caudal_telemetry::metrics::Registry;
use caudal_testkit::wait;

use crate::world::{SOON, World, batch, lease};

async fn text(queue: &Queue) -> String {
    let mut registry = Registry::new("test");
    queue.register(&mut registry);
    registry.render().await
}

/// The value of a gauge; none where it is absent.
fn gauge(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(&format!("caudal_{name} "))?.parse().ok())
}

#[tokio::test]
async fn each_state_of_an_invoice_has_its_gauge() {
    let world = World::start().await;
    world.admit(&batch(&[3, 4, 5])).await;
    let mut consumer = world.queue.consumer("pod/1");
    let leases = lease(&mut consumer, 2).await;
    let bad = Rejected {
        position: 0,
        count: 1,
        number: String::new(),
        code: "bad".to_owned(),
        detail: "bad".to_owned(),
        payload: vec![1],
    };
    let later = Retried { position: 1, payload: vec![1], attempts: 1, delay: Duration::from_secs(60) };
    let settlement = Settlement { recorded: 1, rejected: vec![bad], retried: vec![later], ..Settlement::default() };
    world.settle(&leases[0], &settlement).await;

    let text = text(&world.queue).await;
    for (name, value) in [
        ("redis_up", 1.0),
        ("queue_backlog_invoices", 10.0),
        ("queue_waiting_chunks", 1.0),
        ("queue_in_flight_chunks", 1.0),
        ("queue_busy_workers", 1.0),
        ("queue_retry_invoices", 1.0),
        ("queue_dead_letters", 1.0),
        ("queue_paused", 0.0),
    ] {
        assert_eq!(gauge(&text, name), Some(value), "{name} in\n{text}");
    }
    let due = gauge(&text, "queue_next_retry_seconds").unwrap();
    assert!((50.0..=60.0).contains(&due), "{due}");
    let age = gauge(&text, "queue_oldest_age_seconds").unwrap();
    assert!(age > 0.0 && age < 10.0, "{age}");
}

#[tokio::test]
async fn an_empty_queue_has_no_age_and_no_retry() {
    let world = World::start().await;
    let text = text(&world.queue).await;
    assert_eq!(gauge(&text, "queue_backlog_invoices"), Some(0.0));
    assert_eq!(gauge(&text, "queue_oldest_age_seconds"), Some(0.0));
    assert_eq!(gauge(&text, "queue_next_retry_seconds"), None);
}

#[tokio::test]
async fn how_well_redis_keeps_what_it_confirmed_is_told() {
    let world = World::start().await;
    let durable = text(&world.queue).await;
    assert_eq!(gauge(&durable, "redis_append_only"), Some(1.0));
    assert_eq!(gauge(&durable, "redis_append_only_ok"), Some(1.0));
    assert_eq!(gauge(&durable, "redis_fsync_always"), Some(1.0));
    assert_eq!(world.queue.durability().await.unwrap().weakness(), None);
    assert_eq!(gauge(&durable, "redis_memory_limit_bytes"), None);
    assert!(gauge(&durable, "redis_memory_used_bytes") > Some(100_000.0));

    let _: String = world.run(&["CONFIG", "SET", "appendfsync", "everysec", "maxmemory", "100mb"]).await;
    let late = text(&world.queue).await;
    assert_eq!(gauge(&late, "redis_fsync_always"), Some(0.0));
    assert_eq!(gauge(&late, "redis_memory_limit_bytes"), Some(104_857_600.0));
    assert!(world.queue.durability().await.unwrap().weakness().unwrap().contains("confirms before"));

    let _: String = world.run(&["CONFIG", "SET", "appendonly", "no"]).await;
    assert_eq!(gauge(&text(&world.queue).await, "redis_append_only"), Some(0.0));
    assert!(world.queue.durability().await.unwrap().weakness().unwrap().contains("no append-only file"));
}

#[tokio::test]
async fn a_redis_that_hangs_is_down_after_a_second() {
    let world = World::start().await;
    assert_eq!(gauge(&text(&world.queue).await, "redis_up"), Some(1.0));
    world.redis.pause().unwrap();
    // A busy machine may stand still once, but not each time.
    let asked = async || {
        let since = Instant::now();
        let hanging = text(&world.queue).await;
        if since.elapsed() < Duration::from_secs(2) { Ok(hanging) } else { Err(since.elapsed()) }
    };
    let hanging = wait::until("an answer in time", SOON, asked).await.unwrap();
    assert_eq!(gauge(&hanging, "redis_up"), Some(0.0));
    assert_eq!(gauge(&hanging, "queue_backlog_invoices"), None);
}
