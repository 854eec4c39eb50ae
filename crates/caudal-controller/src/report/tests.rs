//! What a status keeps to itself.

use chrono::{DateTime, TimeDelta, Utc};

use super::{DRY_RUN, Outcome, report};
use crate::conditions::tests::unjudged;
use crate::crd::{LastDecision, QueueScalerStatus};

/// A dry run's look at this second, which would have this many replicas. Answers what is told then.
fn dry_run(before: &QueueScalerStatus, to: u32, second: i64) -> QueueScalerStatus {
    let at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
    let dry = Some(LastDecision { at, from: 1, to, reason: format!("{DRY_RUN}because") });
    report(before, &unjudged(), Outcome { dry, ..Outcome::default() }, Some(1), at).0
}

#[test]
fn what_a_dry_run_would_do_is_told_at_once_and_then_every_half_a_minute_at_most() {
    let to = |status: &QueueScalerStatus| status.last_decision.as_ref().map(|told| told.to);
    let first = dry_run(&QueueScalerStatus::default(), 5, 10);
    assert_eq!(to(&first), Some(5));
    assert_eq!(dry_run(&first, 6, 39), first, "it would change all the time");
    assert_eq!(to(&dry_run(&first, 6, 40)), Some(6));
    assert_eq!(dry_run(&first, 5, 40), first, "the same as before");
    let mut real = first;
    real.last_decision.as_mut().unwrap().reason = "because".to_owned();
    assert_eq!(to(&dry_run(&real, 6, 11)), Some(6), "a change that was made holds up nothing");
}
