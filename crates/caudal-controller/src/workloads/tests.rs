//! What is known of a workload, whatever the order in which the watch and the API server's answers tell it.

use std::sync::Arc;

use futures_util::FutureExt;
use kube::runtime::watcher::Event;
use serde_json::json;
use tokio::sync::Notify;

use super::{Attention, Look, Seen, Workloads};
use crate::watched::{Unseen, Watched, locked};

/// A workload with one ready replica, as the API server sends it.
fn workload(replicas: u32, version: &str) -> Watched {
    let object = json!({
        "metadata": { "name": "worker", "namespace": "n", "resourceVersion": version, "managedFields": [{}] },
        "spec": { "replicas": replicas, "template": {} },
        "status": { "readyReplicas": 1, "conditions": [] },
    });
    serde_json::from_value(object).unwrap()
}

fn changed(workloads: &Workloads, replicas: u32, version: u64) {
    workloads.take(Ok(Event::Apply(workload(replicas, &version.to_string()))));
}

/// Workloads that have been listed: one with 3 replicas at version 10, and somebody who attends to it.
fn listed() -> (Workloads, Attention, Arc<Notify>) {
    let (workloads, news) = (Workloads::default(), Arc::new(Notify::new()));
    let attention = workloads.attend(("n".to_owned(), "worker".to_owned()), Arc::clone(&news));
    workloads.take(Ok(Event::Init));
    workloads.take(Ok(Event::InitApply(workload(3, "10"))));
    workloads.take(Ok(Event::InitDone));
    assert!(told(&news));
    (workloads, attention, news)
}

fn told(news: &Notify) -> bool {
    news.notified().now_or_never().is_some()
}

fn seen(replicas: u32, version: u64) -> Look {
    Look::Seen(Seen { replicas, ready: 1, version })
}

#[test]
fn nothing_is_known_before_the_list_is_complete_and_what_it_does_not_hold_is_missing() {
    let (workloads, news) = (Workloads::default(), Arc::new(Notify::new()));
    let attention = workloads.attend(("n".to_owned(), "worker".to_owned()), news);
    assert_eq!(attention.look(), Look::Unknown);
    workloads.take(Ok(Event::Init));
    workloads.take(Ok(Event::InitDone));
    assert_eq!(attention.look(), Look::Missing);
    changed(&workloads, 2, 7);
    assert_eq!(attention.look(), seen(2, 7));
}

#[test]
fn after_a_write_what_the_watch_still_tells_of_before_does_not_count() {
    let (workloads, attention, news) = listed();
    attention.know(8, 12, false);
    changed(&workloads, 3, 11);
    assert_eq!(attention.look(), seen(8, 12));
    changed(&workloads, 8, 12);
    changed(&workloads, 8, 13);
    assert_eq!(attention.look(), seen(8, 13));
    assert!(!told(&news), "nothing of this is news");
    attention.know(8, 12, false);
    assert_eq!(attention.look(), seen(8, 13), "the watch was faster than the answer");
}

#[test]
fn what_the_api_server_says_after_a_conflict_counts_whatever_was_known() {
    let (_workloads, attention, _) = listed();
    attention.know(5, 4, true);
    assert_eq!(attention.look(), seen(5, 4));
}

#[test]
fn a_foreign_change_of_the_replicas_is_told_and_one_of_the_status_is_not() {
    let (workloads, _attention, news) = listed();
    changed(&workloads, 3, 11);
    assert!(!told(&news));
    changed(&workloads, 7, 12);
    assert!(told(&news));
    workloads.take(Ok(Event::Delete(workload(7, "13"))));
    assert!(told(&news));
    changed(&workloads, 7, 14);
    assert!(told(&news));
}

#[test]
fn what_a_new_list_does_not_hold_is_gone_and_forgotten_once_nobody_attends_to_it() {
    let (workloads, attention, news) = listed();
    workloads.take(Ok(Event::Init));
    assert_eq!(attention.look(), seen(3, 10), "not before the list is complete");
    workloads.take(Ok(Event::InitDone));
    assert_eq!(attention.look(), Look::Missing);
    assert!(told(&news));
    drop(attention);
    assert!(locked(&workloads.table).entries.is_empty());
}

#[test]
fn what_may_not_be_watched_and_a_version_that_is_no_number_are_asked_for() {
    let (workloads, attention, _) = listed();
    workloads.take(Ok(Event::Delete(workload(3, "10"))));
    workloads.take(Ok(Event::Apply(workload(3, "opaque"))));
    assert_eq!(attention.look(), Look::Unknown);
    let (workloads, attention, _) = listed();
    workloads.take(Err(Unseen));
    assert_eq!(attention.look(), Look::Unknown);
}
