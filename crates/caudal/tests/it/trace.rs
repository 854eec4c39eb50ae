//! One invoice's way as a collector sees it, and as the log tells it.

use std::time::Duration;

use caudal_testkit::{OtlpSink, Output, Protocol, Signal, Span, pki::Authority, wait};
use reqwest::StatusCode;
use serde_json::Value;

use crate::client::invoices;
use crate::stack::Stack;

const SOON: Duration = Duration::from_secs(20);
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";
/// More links than this a span does not keep.
const MOST_LINKS: usize = 128;

pub(crate) fn traceparent() -> String {
    format!("00-{TRACE}-{CLIENT_SPAN}-01")
}

/// A stack whose roles export to the sink, with more of the standard variables.
pub(crate) async fn traced(sink: &OtlpSink, more: &[(&str, &str)]) -> Stack {
    let mut stack = Stack::start().await;
    for (name, value) in [("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint())].iter().chain(more) {
        stack.environment.push(((*name).to_owned(), (*value).to_owned()));
    }
    stack
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_trace_reaches_from_its_post_to_the_commit_over_grpc() {
    reaches_the_commit("grpc", Protocol::Grpc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_trace_reaches_from_its_post_to_the_commit_over_http() {
    reaches_the_commit("http/protobuf", Protocol::Http).await;
}

async fn reaches_the_commit(name: &str, protocol: Protocol) {
    let sink = OtlpSink::start().await.unwrap();
    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", name),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=caudal%20one"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ];
    let stack = traced(&sink, &variables).await;
    let (api, worker) = tokio::join!(stack.api(), stack.worker());

    let headers = [("traceparent", &*traceparent())];
    let answer = api.client.post_with("traced", &invoices("traced", 2), &headers).await;
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

    for export in sink.exports() {
        assert_eq!(export.protocol, protocol);
        assert_eq!(export.headers.get("x-tenant").map(String::as_str), Some("caudal one"), "{export:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_over_tls_is_trusted_by_the_certificate_that_is_named_and_by_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path()).unwrap();
    let stranger = Authority::new(&folder.path().join("stranger")).unwrap();
    let identity = authority.server("collector", &["localhost"]).unwrap();
    for (name, protocol) in [("grpc", Protocol::Grpc), ("http/protobuf", Protocol::Http)] {
        let sink = OtlpSink::start_tls(&identity).await.unwrap();
        for (authority, trusted) in [(&stranger, false), (&authority, true)] {
            let certificate = authority.certificate();
            let variables = [
                ("OTEL_EXPORTER_OTLP_PROTOCOL", name),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate.to_str().unwrap()),
                ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ];
            let stack = traced(&sink, &variables).await;
            let api = stack.api().await;
            assert_eq!(api.client.post("tls", &invoices("tls", 1)).await.status, StatusCode::ACCEPTED);
            assert!(api.process.stop(Signal::TERM, SOON).await.unwrap().success());
            let came: Vec<_> = sink.exports().iter().map(|export| export.protocol).collect();
            assert!(came.iter().all(|came| *came == protocol), "{came:?}");
            assert_eq!(!came.is_empty(), trusted, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_chunk_names_its_transaction_and_a_transaction_at_most_128_of_its_chunks() {
    let sink = OtlpSink::start().await.unwrap();
    let stack = traced(&sink, &[]).await;
    let api = stack.api().await;
    let batches = 3 * MOST_LINKS;
    let mut last = None;
    for batch in 0..batches {
        let key = format!("batch-{batch}");
        last = Some(api.client.post_with(&key, &invoices(&key, 1), &[("traceparent", &traceparent())]).await);
    }
    let worker = stack.worker().await;
    api.client.done(&last.unwrap(), SOON).await;
    assert!(worker.stop(Signal::TERM, SOON).await.unwrap().success());

    let processed = wait::until("every chunk's span", SOON, async || {
        let processed = named(&sink, "process facturas");
        if processed.len() == batches { Ok(processed) } else { Err(processed.len()) }
    });
    let (processed, records) = (processed.await.unwrap(), named(&sink, "record"));
    for process in &processed {
        let [(trace, span)] = &*process.links else { panic!("{} links", process.links.len()) };
        assert!(records.iter().any(|record| record.trace_id == *trace && record.span_id == *span));
    }
    let most = records.iter().map(|record| record.links.len()).max();
    assert!(most > Some(1) && most <= Some(MOST_LINKS), "the most links of a transaction: {most:?}");
}

fn named(sink: &OtlpSink, name: &str) -> Vec<Span> {
    sink.spans().into_iter().filter(|span| span.name.starts_with(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampler_is_heard() {
    let sink = OtlpSink::start().await.unwrap();
    let stack = traced(&sink, &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]).await;
    let (api, worker) = tokio::join!(stack.api(), stack.worker());
    let unsampled = api.client.post("unsampled", &invoices("unsampled", 1)).await;
    api.client.done(&unsampled, SOON).await;
    let sampled = [("traceparent", &*traceparent())];
    let sampled = api.client.post_with("sampled", &invoices("sampled", 1), &sampled).await;
    api.client.done(&sampled, SOON).await;
    assert!(worker.stop(Signal::TERM, SOON).await.unwrap().success());

    sink.span("the sampled POST", SOON, |span| span.name == "POST /facturas/").await.unwrap();
    assert_eq!(named(&sink, "POST /facturas/").len(), 1);
    assert_eq!(named(&sink, "process facturas").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_span_tells_what_an_invoice_says_or_whose_it_is() {
    let sink = OtlpSink::start().await.unwrap();
    let stack = traced(&sink, &[]).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_of_a_traced_request_names_its_trace_in_text_and_in_json() {
    let sink = OtlpSink::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for format in ["text", "json"] {
        let mut stack = traced(&sink, &[("CAUDAL_LOG_FORMAT", format), ("OTEL_BSP_SCHEDULE_DELAY", "100")]).await;
        stack.output = Output::File(folder.path().join(format));
        let api = stack.api().await;
        stack.redis.stop().await.unwrap();
        let headers = [("traceparent", &*traceparent())];
        let refused = api.client.post_with("refused", &invoices("refused", 1), &headers).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        let log = api.process.log();
        let line = log.lines().find(|line| line.contains("could not be queued")).unwrap();
        match format {
            "json" => {
                let line: Value = serde_json::from_str(line).unwrap();
                assert_eq!((&line["trace_id"], line["span_id"].as_str().map(str::len)), (&TRACE.into(), Some(16)));
            }
            _ => assert!(line.contains(&format!(" trace_id={TRACE} span_id=")), "{line}"),
        }
        let first = log.lines().next().unwrap();
        assert!(!first.contains("trace_id"), "{first}");
        let failed = sink.span("the POST that failed", SOON, |span| span.failed).await.unwrap();
        let kind = failed.attributes.get("error.type").map(String::as_str);
        assert_eq!((failed.trace_id.as_str(), kind), (TRACE, Some("503")));
    }
}
