//! Who scales the same target, whatever comes and goes.

use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::{Kind, Rivals};
use crate::crd::QueueScaler;
use crate::watched::{Unseen, Watched};

fn scaler(name: &str, made_at: &str, spec: Value) -> QueueScaler {
    let mut object = json!({
        "apiVersion": "caudal.dev/v1alpha1",
        "kind": "QueueScaler",
        "metadata": { "name": name, "namespace": "n", "creationTimestamp": made_at },
        "spec": {
            "scaleTargetRef": { "name": "worker" },
            "maxReplicas": 20,
            "source": { "caudal": { "redis": { "url": "redis://redis" } } },
            "target": { "backlogPerReplica": 5 },
        },
    });
    object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

fn other(name: &str, target: Value) -> Watched {
    let metadata = json!({ "name": name, "namespace": "n", "resourceVersion": "1" });
    serde_json::from_value(json!({ "metadata": metadata, "spec": { "scaleTargetRef": target } })).unwrap()
}

fn old(spec: Value) -> QueueScaler {
    scaler("old", "2026-01-01T00:00:00Z", spec)
}

fn young() -> QueueScaler {
    scaler("young", "2026-01-02T00:00:00Z", json!({}))
}

#[test]
fn of_two_the_older_scales_and_the_younger_names_it_until_it_is_gone() {
    let rivals = Rivals::default();
    rivals.meet(&young());
    assert_eq!(rivals.of(&young()), None);
    rivals.meet(&old(json!({})));
    assert_eq!(rivals.of(&young()).as_deref(), Some("QueueScaler/old"));
    assert_eq!(rivals.of(&old(json!({}))), None);
    rivals.forget(&("n".to_owned(), "old".to_owned()));
    assert_eq!(rivals.of(&young()), None);
}

#[test]
fn made_in_the_same_second_the_name_decides() {
    let rivals = Rivals::default();
    let (one, two) = (scaler("a", "2026-01-01T00:00:00Z", json!({})), old(json!({})));
    rivals.meet(&one);
    rivals.meet(&two);
    assert_eq!((rivals.of(&one), rivals.of(&two).as_deref()), (None, Some("QueueScaler/a")));
}

#[test]
fn one_that_only_tries_or_scales_something_else_is_no_rival() {
    for spec in [json!({ "dryRun": true }), json!({ "scaleTargetRef": { "name": "another" } })] {
        let rivals = Rivals::default();
        rivals.meet(&old(json!({})));
        rivals.meet(&young());
        rivals.meet(&old(spec));
        assert_eq!(rivals.of(&young()), None);
    }
}

#[test]
fn a_scaled_object_is_named_before_the_autoscaler_it_made() {
    let rivals = Rivals::default();
    let full = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "worker" });
    let autoscaler = other("keda-hpa-w", full);
    rivals.take(Kind::HorizontalPodAutoscaler, Ok(Event::Apply(autoscaler.clone())));
    assert_eq!(rivals.of(&old(json!({}))).as_deref(), Some("HorizontalPodAutoscaler/keda-hpa-w"));
    let scaled = other("w", json!({ "name": "worker" }));
    rivals.take(Kind::ScaledObject, Ok(Event::Apply(scaled.clone())));
    assert_eq!(rivals.of(&old(json!({}))).as_deref(), Some("ScaledObject/w"));
    rivals.take(Kind::ScaledObject, Ok(Event::Delete(scaled)));
    rivals.take(Kind::HorizontalPodAutoscaler, Ok(Event::Delete(autoscaler)));
    assert_eq!(rivals.of(&old(json!({}))), None);
}

#[test]
fn what_a_new_list_does_not_hold_is_gone() {
    let rivals = Rivals::default();
    let scaled = other("w", json!({ "name": "worker" }));
    let list = |objects: &[Watched]| {
        rivals.take(Kind::ScaledObject, Ok(Event::Init));
        for object in objects {
            rivals.take(Kind::ScaledObject, Ok(Event::InitApply(object.clone())));
        }
        rivals.take(Kind::ScaledObject, Ok(Event::InitDone));
    };
    list(std::slice::from_ref(&scaled));
    list(std::slice::from_ref(&scaled));
    assert!(rivals.of(&young()).is_some());
    list(&[]);
    assert_eq!(rivals.of(&young()), None);
}

#[test]
fn the_rivals_are_known_where_keda_is_not_installed_but_not_where_an_autoscaler_may_not_be_seen() {
    let rivals = Rivals::default();
    assert!(rivals.take(Kind::ScaledObject, Err(Unseen)));
    assert!(!rivals.take(Kind::HorizontalPodAutoscaler, Err(Unseen)));
    assert!(rivals.take(Kind::HorizontalPodAutoscaler, Ok(Event::InitDone)));
}

#[test]
fn a_kind_that_is_gone_has_no_rivals_any_more() {
    let rivals = Rivals::default();
    let scaled = other("w", json!({ "name": "worker" }));
    rivals.take(Kind::ScaledObject, Ok(Event::Apply(scaled)));
    assert!(rivals.of(&young()).is_some());
    rivals.take(Kind::ScaledObject, Ok(Event::Init));
    rivals.take(Kind::ScaledObject, Err(Unseen));
    assert_eq!(rivals.of(&young()), None);
}
