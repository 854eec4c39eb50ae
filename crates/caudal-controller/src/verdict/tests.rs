//! Each authority yields to those before it.

use std::time::Duration;

use caudal_scaling::{Basis, Decision, Drain};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Authority, Situation, Verdict, Withheld, judge};
use crate::crd::QueueScalerSpec;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn spec(more: Value) -> QueueScalerSpec {
    let mut spec = json!({
        "scaleTargetRef": { "name": "worker" },
        "maxReplicas": 20,
        "source": { "caudal": { "redis": { "url": "redis://redis" } } },
        "target": { "backlogPerReplica": 5 },
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

/// A verdict at 4 replicas while the plan asks for `planned`.
fn at_four(planned: u32, more: Value, change: impl FnOnce(&mut Situation<'_>)) -> Verdict {
    let (basis, drain) = (Basis::Idle, Drain::Unknown);
    let plan = Decision { replicas: planned, basis, hold: None, drain, arrival: None, service: None };
    let spec = spec(more);
    let mut situation = Situation { spec: &spec, current: 4, plan: &plan, unread_for: None, rival: None, now: NOW };
    change(&mut situation);
    judge(&situation)
}

#[track_caller]
fn says(verdict: &Verdict, replicas: u32, authority: Authority) {
    assert_eq!((verdict.replicas, verdict.authority), (replicas, authority), "{}", verdict.reason);
}

fn until(seconds: i64) -> String {
    (NOW + TimeDelta::seconds(seconds)).to_rfc3339()
}

#[test]
fn without_anything_else_the_plan_has_the_say() {
    says(&at_four(7, json!({}), |_| {}), 7, Authority::Plan);
}

#[test]
fn an_override_wins_over_a_pin_until_its_time_has_come() {
    let both = |seconds| json!({ "override": { "replicas": 30, "until": until(seconds) }, "replicas": 2 });
    says(&at_four(7, both(1), |_| {}), 30, Authority::Override);
    says(&at_four(7, both(0), |_| {}), 2, Authority::Pin);
}

#[test]
fn a_pin_wins_over_pause_bounds_and_plan() {
    says(&at_four(7, json!({ "replicas": 0, "minReplicas": 1, "pause": "Both" }), |_| {}), 0, Authority::Pin);
    says(&at_four(7, json!({ "replicas": 40 }), |_| {}), 40, Authority::Pin);
}

#[test]
fn a_pause_holds_only_its_direction() {
    says(&at_four(2, json!({ "pause": "In" }), |_| {}), 4, Authority::Pause);
    says(&at_four(7, json!({ "pause": "In" }), |_| {}), 7, Authority::Plan);
    says(&at_four(7, json!({ "pause": "Out" }), |_| {}), 4, Authority::Pause);
    says(&at_four(2, json!({ "pause": "Out" }), |_| {}), 2, Authority::Plan);
    says(&at_four(2, json!({ "pause": "Both" }), |_| {}), 4, Authority::Pause);
    says(&at_four(7, json!({ "pause": "Both" }), |_| {}), 4, Authority::Pause);
}

#[test]
fn a_fallback_waits_for_its_time_lifts_and_never_lowers() {
    let fallback = |replicas| json!({ "fallback": { "afterSeconds": 30, "replicas": replicas } });
    let lost = |seconds| move |situation: &mut Situation<'_>| situation.unread_for = Some(Duration::from_secs(seconds));
    says(&at_four(4, fallback(9), lost(29)), 4, Authority::Plan);
    says(&at_four(4, fallback(9), lost(30)), 9, Authority::Fallback);
    says(&at_four(4, fallback(3), lost(30)), 4, Authority::Fallback);
    let mut paused = fallback(9);
    paused["pause"] = json!("Out");
    says(&at_four(4, paused, lost(30)), 4, Authority::Pause);
}

#[test]
fn a_rival_and_a_dry_run_withhold_the_writing() {
    assert_eq!(at_four(7, json!({ "dryRun": true }), |_| {}).withheld, Some(Withheld::DryRun));
    let rival = at_four(7, json!({ "dryRun": true, "replicas": 3 }), |situation| situation.rival = Some("HPA x"));
    assert_eq!(rival.withheld, Some(Withheld::Rival("HPA x".to_owned())));
    says(&rival, 3, Authority::Pin);
    assert_eq!(at_four(7, json!({}), |_| {}).withheld, None);
}
