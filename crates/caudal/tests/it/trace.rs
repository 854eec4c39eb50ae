//! One invoice's way as a collector sees it.

use std::time::Duration;

use caudal_testkit::{OtlpSink, Signal};
use reqwest::StatusCode;

use crate::client::invoices;
use crate::stack::Stack;

const SOON: Duration = Duration::from_secs(20);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_trace_reaches_from_its_post_to_the_commit() {
    let sink = OtlpSink::start().await.unwrap();
    let mut stack = Stack::start().await;
    stack.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), sink.endpoint().to_owned()));
    let (api, worker) = tokio::join!(stack.api(), stack.worker());

    let traceparent = format!("00-{TRACE}-{CLIENT_SPAN}-01");
    let answer = api.client.post_with("traced", &invoices("traced", 2), &[("traceparent", &traceparent)]).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    api.client.done(&answer, SOON).await;
    // The spans leave in batches, and at the latest when the process ends.
    assert!(worker.stop(Signal::TERM, SOON).await.unwrap().success());

    let post = sink.span("the POST", SOON, |span| span.name == "POST /facturas/").await.unwrap();
    assert_eq!((post.trace_id.as_str(), post.parent_id.as_deref()), (TRACE, Some(CLIENT_SPAN)));
    assert_eq!(post.attributes.get("http.response.status_code").map(String::as_str), Some("202"));

    let process = sink.span("the chunk's way", SOON, |span| span.name == "process facturas").await.unwrap();
    assert_eq!((process.trace_id.as_str(), process.parent_id.as_deref()), (TRACE, Some(post.span_id.as_str())));

    let record = sink.span("the transaction", SOON, |span| span.name.starts_with("record")).await.unwrap();
    assert_eq!(process.links, [(record.trace_id.clone(), record.span_id.clone())]);
    assert_eq!(record.links, [(process.trace_id, process.span_id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_span_tells_what_an_invoice_says_or_whose_it_is() {
    let sink = OtlpSink::start().await.unwrap();
    let mut stack = Stack::start().await;
    stack.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), sink.endpoint().to_owned()));
    let (api, worker) = tokio::join!(stack.api(), stack.worker());
    let answer = api.client.post("secret-key", &invoices("secret", 3)).await;
    api.client.done(&answer, SOON).await;
    let balance = reqwest::get(format!("{}/clientes/11111111-1", api.ops_url)).await.unwrap();
    assert_eq!(balance.status(), StatusCode::OK);
    assert!(worker.stop(Signal::TERM, SOON).await.unwrap().success());

    sink.span("the transaction", SOON, |span| span.name.starts_with("record")).await.unwrap();
    sink.span("the look-up", SOON, |span| span.name == "GET /clientes/{rut}").await.unwrap();
    let told = format!("{:?}", sink.spans());
    for content in ["11111111", "22222222", "secret-"] {
        assert!(!told.contains(content), "{content} stands in {told}");
    }
}
