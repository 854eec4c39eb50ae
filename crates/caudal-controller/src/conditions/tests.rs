//! Conditions say what is, and change only when something did.

use caudal_scaling::{Basis, Decision, Drain};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Account, Problem, conditions};
use crate::verdict::{Authority, Verdict};

const DECISION: Decision =
    Decision { replicas: 1, basis: Basis::Idle, hold: None, drain: Drain::Unknown, arrival: None, service: None };

fn verdict(authority: Authority) -> Verdict {
    Verdict { replicas: 1, authority, withheld: None, reason: "because".to_owned() }
}

/// A look at an object that works, without a verdict.
pub(crate) fn unjudged() -> Account<'static> {
    Account {
        name: "x".to_owned(),
        target: "Deployment/x".to_owned(),
        active: Ok(true),
        note: None,
        judged: None,
        problem: None,
    }
}

fn look(authority: Authority, problem: Option<Problem>, before: &[Condition], second: i64) -> Vec<Condition> {
    let verdict = verdict(authority);
    let account = Account { judged: Some((&DECISION, &verdict)), problem, ..unjudged() };
    conditions(&account, before, Some(3), DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second))
}

fn status<'a>(conditions: &'a [Condition], type_: &str) -> &'a str {
    &conditions.iter().find(|condition| condition.type_ == type_).unwrap().status
}

#[test]
fn an_unchanged_condition_keeps_its_time_and_a_changed_one_does_not() {
    let first = look(Authority::Plan, None, &[], 10);
    assert_eq!(look(Authority::Plan, None, &first, 20), first);
    let pinned = look(Authority::Pin, None, &first, 20);
    let changed: Vec<&str> = pinned
        .iter()
        .zip(&first)
        .filter(|(now, then)| now.last_transition_time != then.last_transition_time)
        .map(|(now, _)| now.type_.as_str())
        .collect();
    assert_eq!(changed, ["Pinned"]);
}

#[test]
fn what_only_a_change_of_the_object_can_mend_is_stalled_and_the_rest_goes_on() {
    let problem = |stalled| Some(Problem { reason: "Because", message: String::new(), stalled });
    let hopeless = look(Authority::Plan, problem(true), &[], 0);
    assert_eq!(
        (status(&hopeless, "Ready"), status(&hopeless, "Stalled"), status(&hopeless, "Reconciling")),
        ("False", "True", "False")
    );
    let passing = look(Authority::Plan, problem(false), &[], 0);
    assert_eq!(
        (status(&passing, "Ready"), status(&passing, "Stalled"), status(&passing, "Reconciling")),
        ("False", "False", "True")
    );
}

#[test]
fn every_condition_is_there_from_the_first_look() {
    let types: Vec<String> = look(Authority::Plan, None, &[], 0).into_iter().map(|condition| condition.type_).collect();
    assert_eq!(types, ["Ready", "Active", "Fallback", "Limited", "Pinned", "ScaleConflict", "Reconciling", "Stalled"]);
}

#[test]
fn a_target_that_cannot_be_seen_changes_nothing_about_who_has_the_say() {
    let pinned = look(Authority::Pin, None, &[], 0);
    let problem = Some(Problem { reason: "Because", message: String::new(), stalled: false });
    let account = Account { problem, ..unjudged() };
    let blind = conditions(&account, &pinned, Some(4), DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(9));
    assert_eq!((status(&blind, "Ready"), status(&blind, "Pinned")), ("False", "True"));
    assert_eq!(blind[2..6], pinned[2..6], "Fallback, Limited, Pinned and ScaleConflict are as they were");
}
