//! The ops port as a kubelet asks it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use caudal_telemetry::metrics::Registry;
use caudal_telemetry::ops::{self, Probes};
use caudal_testkit::wait;
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(5);

/// An ops port that answers for these probes; `ask` a path of it.
struct Port {
    url: String,
    shutdown: CancellationToken,
}

impl Port {
    async fn open(probes: Probes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let routes = Router::new().route("/own", get(|| async { "own" }));
        tokio::spawn(ops::serve(listener, routes, probes, Registry::new("api"), shutdown.clone()));
        Self { url, shutdown }
    }

    async fn ask(&self, path: &str) -> (StatusCode, String) {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[tokio::test]
async fn readiness_is_told_with_its_reason() {
    let probes = Probes::new();
    let port = Port::open(probes.clone()).await;
    assert_eq!(port.ask("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    probes.unready("Redis cannot be reached");
    let told = (StatusCode::SERVICE_UNAVAILABLE, "Redis cannot be reached\n".to_owned());
    assert_eq!(port.ask("/readyz").await, told);
    probes.ready();
    assert_eq!(port.ask("/readyz").await.0, StatusCode::OK);
    assert_eq!(port.ask("/own").await, (StatusCode::OK, "own".to_owned()));
}

#[tokio::test]
async fn a_loop_that_stands_still_is_not_alive_until_it_turns_again() {
    let probes = Probes::watching(Duration::from_millis(200));
    let port = Port::open(probes.clone()).await;
    wait::until("the probe notices", SOON, async || match port.ask("/healthz").await {
        (StatusCode::SERVICE_UNAVAILABLE, _) => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
    wait::until("the probe is content", SOON, async || {
        probes.beat();
        match port.ask("/healthz").await {
            (StatusCode::OK, _) => Ok(()),
            other => Err(other),
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_process_without_a_loop_is_alive_while_it_answers() {
    let port = Port::open(Probes::new()).await;
    assert_eq!(port.ask("/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_metrics_are_told_in_openmetrics() {
    let port = Port::open(Probes::new()).await;
    let answer = reqwest::get(format!("{}/metrics", port.url)).await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.contains("caudal_build_info{") && text.ends_with("# EOF\n"), "{text}");
}
