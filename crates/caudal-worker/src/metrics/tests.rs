//! What is measured where two machines' clocks differ.

use caudal_telemetry::metrics::Registry;
use chrono::{DateTime, TimeDelta};

use super::Metrics;
use crate::handler::{Answer, Verdict};

/// The sum of all times from POST to commit, after one chunk committed so much later by the worker's clock than it was admitted
/// by that of Redis.
async fn measured(later: TimeDelta, verdict: Verdict) -> (f64, u64) {
    let (metrics, mut registry) = (Metrics::default(), Registry::new("worker"));
    metrics.register(&mut registry);
    let admitted = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    metrics.committed(admitted, &Answer::Verdicts(vec![verdict]), admitted + later);
    let text = registry.render().await;
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("caudal_post_to_commit_seconds_{name} ")));
    (value("sum").unwrap().parse().unwrap(), value("count").unwrap().parse().unwrap())
}

#[tokio::test]
async fn what_was_committed_before_it_was_admitted_took_no_time() {
    for back in [TimeDelta::milliseconds(1), TimeDelta::hours(1), TimeDelta::days(10_000)] {
        assert_eq!(measured(-back, Verdict::Recorded).await, (0.0, 1));
    }
    assert_eq!(measured(TimeDelta::milliseconds(250), Verdict::Recorded).await, (0.25, 1));
}

#[tokio::test]
async fn only_what_was_recorded_is_measured() {
    assert_eq!(measured(TimeDelta::seconds(1), Verdict::Unchanged).await, (0.0, 0));
}
