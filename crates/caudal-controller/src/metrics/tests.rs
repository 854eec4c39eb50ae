//! What is shown of an object, and of how fast it was.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use caudal_scaling::{Basis, Decision, Drain};
use caudal_telemetry::metrics::Registry;
use caudal_testkit::wait;
use chrono::{TimeDelta, Utc};
use http::{Method, Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::client::Body;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::lease::{Leadership, Leases};

/// A leadership by a Lease that is had once and can never be renewed.
async fn brief(metrics: &Metrics) -> Leadership {
    let had = Arc::new(AtomicBool::new(false));
    let service = tower::service_fn(move |request: Request<Body>| {
        let had = Arc::clone(&had);
        async move {
            let missing = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
            let (parts, body) = request.into_parts();
            let (status, body) = match parts.method {
                Method::GET if !had.load(Ordering::SeqCst) => (404, Body::from(missing.as_bytes().to_vec())),
                Method::POST if !had.swap(true, Ordering::SeqCst) => (201, body),
                _ => return std::future::pending().await,
            };
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        }
    });
    let client = Client::new(service, "default");
    let leases = Leases::new(client, "me".to_owned(), None, metrics.clone(), CancellationToken::new());
    let leadership = leases.stand("default", "caudal", None);
    tokio::time::timeout(Duration::from_secs(5), leadership.gained()).await.unwrap();
    leadership
}

#[tokio::test]
async fn an_object_has_numbers_only_while_this_process_leads() {
    let metrics = Metrics::default();
    let row = metrics.row(&ConfigMap::default());
    assert!(row.read().is_none(), "nothing is known yet");
    let drain = Drain::Unknown;
    let decision = Decision { replicas: 3, basis: Basis::Unknown, hold: None, drain, arrival: None, service: None };
    row.show(&brief(&metrics).await, (2, 3), None, &decision);
    let (_, numbers) = row.read().unwrap();
    assert_eq!((numbers[0], numbers[1], numbers[2]), (Some(2.0), Some(3.0), None), "what is not known is not 0");
    wait::until("they go with the leadership", Duration::from_secs(10), async || row.read().map_or(Ok(()), Err))
        .await
        .unwrap();
}

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
