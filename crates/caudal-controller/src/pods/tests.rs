//! Who is marked, and what happens when nobody answers.

use std::collections::BTreeMap;
use std::time::Duration;

use caudal_testkit::BlackHole;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use kube::{Api, Client, Config};
use tokio::time::Instant;

use super::{ANNOTATION, COST, LIMIT, Workers, changes, is_busy, spare};

fn workers(names: &[&str]) -> Workers {
    names.iter().map(ToString::to_string).collect()
}

fn pod(name: &str, cost: Option<&str>) -> ObjectMeta {
    let cost = cost.map(|cost| BTreeMap::from([(ANNOTATION.to_owned(), cost.to_owned())]));
    ObjectMeta { name: Some(name.to_owned()), uid: Some(name.to_owned()), annotations: cost, ..ObjectMeta::default() }
}

fn changed(pods: impl IntoIterator<Item = ObjectMeta>, busy: &[&str]) -> Vec<(String, bool)> {
    let changes = changes(pods.into_iter(), &workers(busy));
    changes.into_iter().map(|change| (change.name, change.busy)).collect()
}

#[test]
fn a_worker_is_called_like_its_pod_or_has_more_behind_that_name() {
    let busy = workers(&["a-1x", "b-1/nonce", "c-1:7", "d-12"]);
    let pods = ["a-1x", "b-1", "c-1", "d-1", "d-12", "e"];
    assert_eq!(pods.map(|pod| is_busy(pod, &busy)), [true, true, true, false, true, false]);
}

#[test]
fn a_longer_name_in_between_hides_no_worker() {
    assert!(is_busy("a-1", &workers(&["a-10/x", "a-1/x"])));
    assert!(is_busy("a-1", &workers(&["a-1.5", "a-10", "a-1:2"])));
}

#[test]
fn the_busy_are_marked_before_the_idle_lose_theirs_and_the_rest_is_left_alone() {
    let pods = [
        pod("idle-marked", Some(COST)),
        pod("idle", None),
        pod("busy", None),
        pod("busy-marked", Some(COST)),
        pod("busy-others", Some("7")),
        pod("idle-others", Some("-5")),
    ];
    let busy = ["busy/1", "busy-marked/1", "busy-others/1"];
    assert_eq!(changed(pods, &busy), [("busy".to_owned(), true), ("idle-marked".to_owned(), false)]);
}

#[test]
fn a_pod_that_is_ending_is_not_marked() {
    let ending = ObjectMeta { deletion_timestamp: Some(Time(Timestamp::UNIX_EPOCH)), ..pod("busy", None) };
    assert_eq!(changed([ending], &["busy/1"]), []);
}

async fn elapsed_before_the_step(busy: Option<Workers>) -> Duration {
    let silent = BlackHole::accepting().await.unwrap();
    let server = Config::new(format!("http://{}", silent.address()).parse().unwrap());
    let pods: Api<Pod> = Api::default_namespaced(Client::try_from(server).unwrap());
    let begun = Instant::now();
    spare(&pods, async { Ok("app=worker".to_owned()) }, async { Ok(busy) }).await;
    begun.elapsed()
}

#[tokio::test]
async fn a_step_down_waits_a_second_for_a_silent_api_server_and_no_longer() {
    let elapsed = elapsed_before_the_step(Some(workers(&["a/1"]))).await;
    assert!((LIMIT..LIMIT * 3).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test]
async fn nothing_is_asked_where_the_queue_cannot_tell_who_is_busy() {
    let elapsed = elapsed_before_the_step(None).await;
    assert!(elapsed < LIMIT, "{elapsed:?}");
}
