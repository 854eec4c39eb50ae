//! An API server that asks to wait is not asked before its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::client::Body;
use kube::{Api, Client};

use super::{AT_A_TIME, gated};

/// A client of an API server that first answers so many requests with this status and `Retry-After: 1`, and the requests it got.
fn overloaded(status: u16, first: usize) -> (Client, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let service = tower::service_fn(move |_: Request<Body>| {
        let refused = counted.fetch_add(1, Ordering::SeqCst) < first;
        async move {
            let list = r#"{"apiVersion":"v1","kind":"ConfigMapList","metadata":{},"items":[]}"#;
            let answer = Response::builder().status(if refused { status } else { 200 });
            answer.header("Retry-After", "1").body(Body::from(list.as_bytes().to_vec()))
        }
    });
    (Client::new(service, "default"), asked)
}

async fn ask(client: &Client) -> kube::Result<()> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.list(&ListParams::default()).await.map(drop)
}

#[tokio::test]
async fn nothing_is_asked_before_the_time_an_overloaded_api_server_names() {
    for status in [429, 503] {
        let (client, asked) = overloaded(status, 1);
        let client = gated(client);
        let begun = Instant::now();
        assert!(ask(&client).await.is_err());
        let impatient = tokio::time::timeout(Duration::from_millis(200), ask(&client)).await;
        assert!(impatient.is_err(), "waits");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        ask(&client).await.unwrap();
        assert!(begun.elapsed() > Duration::from_millis(900), "asked after {:?}", begun.elapsed());
        ask(&client).await.unwrap();
    }
}

#[tokio::test]
async fn only_so_many_requests_are_under_way_at_a_time() {
    let (asked, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&asked);
    let service = tower::service_fn(move |_: Request<Body>| {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<Response<Body>, kube::Error>>()
    });
    let client = gated(Client::new(service, "default"));
    let all = futures_util::future::join_all((0..AT_A_TIME * 2).map(|_| async {
        counted.fetch_add(1, Ordering::SeqCst);
        ask(&client).await
    }));
    assert!(tokio::time::timeout(Duration::from_millis(200), all).await.is_err());
    assert_eq!((counted.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (AT_A_TIME * 2, AT_A_TIME));
}
