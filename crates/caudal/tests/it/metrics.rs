//! What a Prometheus reads of running roles.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use caudal_testkit::wait;
use reqwest::StatusCode;

use crate::client::invoices;
use crate::stack::Stack;

const SOON: Duration = Duration::from_secs(15);

/// The samples at an ops port: name with labels, and value.
async fn scrape(ops_url: &str) -> BTreeMap<String, f64> {
    let text = reqwest::get(format!("{ops_url}/metrics")).await.unwrap().text().await.unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
    samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_counted_at_each_step_of_its_way() {
    let stack = Stack::start().await;
    let (api, worker) = tokio::join!(stack.api(), stack.worker_with_ops());
    let answer = api.client.post("counted", &invoices("counted", 3)).await;
    api.client.done(&answer, SOON).await;
    let again = api.client.post("sent again", &invoices("counted", 3)).await;
    api.client.done(&again, SOON).await;
    assert_eq!(api.client.post("counted", &invoices("counted", 3)).await.status, StatusCode::CONFLICT);

    let told = scrape(&api.ops_url).await;
    let value = |name: &str| told.get(name).copied();
    assert_eq!(value("caudal_admitted_invoices_total"), Some(6.0), "{told:?}");
    assert_eq!(value("caudal_admitted_batches_total"), Some(2.0));
    assert_eq!(value("caudal_refused_requests_total{reason=\"duplicate\"}"), Some(1.0), "{told:?}");
    assert_eq!(value("caudal_http_requests_total{route=\"/facturas/\",status=\"202\"}"), Some(2.0), "{told:?}");
    assert_eq!(value("caudal_http_request_duration_seconds_count{route=\"/facturas/\"}"), Some(3.0));
    assert_eq!(value("caudal_queue_backlog_invoices"), Some(0.0));
    assert_eq!(value("caudal_postgres_connections_in_use"), Some(0.0));

    let told = wait::until("both settlements are counted", SOON, async || {
        let told = scrape(&worker.1).await;
        if told.get("caudal_unchanged_invoices_total") == Some(&3.0) { Ok(told) } else { Err(told) }
    });
    let told = told.await.unwrap();
    let value = |name: &str| told.get(name).copied();
    assert_eq!(value("caudal_recorded_invoices_total"), Some(3.0), "{told:?}");
    assert_eq!(value("caudal_post_to_commit_seconds_count"), Some(1.0), "{told:?}");
    assert_eq!(value("caudal_redis_up"), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_metrics_are_told_but_for_what_redis_alone_knows() {
    let mut stack = Stack::start().await;
    let api = stack.api().await;
    api.client.post("waits", &invoices("waits", 7)).await;
    assert_eq!(scrape(&api.ops_url).await.get("caudal_queue_backlog_invoices"), Some(&7.0));

    stack.redis.stop().await.unwrap();
    let asked = Instant::now();
    let told = scrape(&api.ops_url).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "the answer took {:?}", asked.elapsed());
    assert_eq!(told.get("caudal_redis_up"), Some(&0.0));
    assert_eq!(told.get("caudal_admitted_invoices_total"), Some(&7.0));
    let queue: Vec<_> = told.keys().filter(|name| name.starts_with("caudal_queue")).collect();
    assert!(queue.is_empty(), "{queue:?}");

    stack.redis.restart().await.unwrap();
    wait::until("the backlog is told again", SOON, async || {
        let told = scrape(&api.ops_url).await;
        if told.get("caudal_queue_backlog_invoices") == Some(&7.0) { Ok(()) } else { Err(told) }
    })
    .await
    .unwrap();
}
