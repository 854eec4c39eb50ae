//! What is told of how fast an object was.

use caudal_telemetry::metrics::Registry;
use chrono::{TimeDelta, Utc};

use super::Metrics;

#[tokio::test]
async fn work_from_the_future_took_no_time() {
    let metrics = Metrics::default();
    let mut registry = Registry::new("controller");
    metrics.register(&mut registry);
    let now = Utc::now();
    metrics.reacted(now + TimeDelta::seconds(3), now);
    let text = registry.render().await;
    assert!(text.contains("caudal_controller_reaction_seconds_sum 0.0\n"), "{text}");
    assert!(text.contains("caudal_controller_reaction_seconds_count 1\n"), "{text}");
}
