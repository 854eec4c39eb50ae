//! The collector for tests keeps what a real exporter sends.

use std::io::Write;
use std::time::Duration;

use caudal_testkit::{BlackHole, OtlpSink, Protocol};
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn export(span: Span) -> ExportTraceServiceRequest {
    let service = attribute("service.name", Value::StringValue("caudal-api".into()));
    let resource = Resource { attributes: vec![service], ..Resource::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        }],
    }
}

#[tokio::test]
async fn a_span_is_found_by_who_waits_for_it() {
    let sink = OtlpSink::start().await.unwrap();
    let mut client = TraceServiceClient::connect(sink.endpoint().to_owned()).await.unwrap();
    let sent = Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        name: "record".into(),
        attributes: vec![attribute("invoices", Value::IntValue(3))],
        ..Span::default()
    };
    let within = Duration::from_secs(5);
    let (found, exported) =
        tokio::join!(sink.span("the record span", within, |span| span.name == "record"), client.export(export(sent)),);
    exported.unwrap();
    let found = found.unwrap();
    assert_eq!((found.service.as_str(), found.parent_id.as_deref()), ("caudal-api", None));
    assert_eq!(found.attributes.get("invoices").map(String::as_str), Some("3"));
    assert_eq!(sink.trace(&"ab".repeat(16), 1, within).await.unwrap(), [found]);
}

#[tokio::test]
async fn a_span_that_never_comes_is_named_in_the_error() {
    let sink = OtlpSink::start().await.unwrap();
    let missing = sink.span("the commit", Duration::from_millis(100), |_| true).await;
    assert!(missing.unwrap_err().to_string().contains("the commit"));
}

#[tokio::test]
async fn spans_come_by_http_too_and_say_so() {
    let sink = OtlpSink::start().await.unwrap();
    let body =
        export(Span { trace_id: vec![0xcd; 16], span_id: vec![2; 8], name: "request".into(), ..Span::default() });
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&body.encode_to_vec()).unwrap();
    let request = reqwest::Client::new().post(format!("{}/v1/traces", sink.endpoint()));
    let request = request.header("content-type", "application/x-protobuf").header("content-encoding", "gzip");
    let answer = request.header("x-tenant", "a").body(packed.finish().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(sink.spans()[0].trace_id, "cd".repeat(16));
    let exports = sink.exports();
    assert_eq!((exports.len(), exports[0].protocol), (1, Protocol::Http));
    assert_eq!(exports[0].headers.get("x-tenant").map(String::as_str), Some("a"));
}

#[tokio::test]
async fn a_black_hole_never_answers() {
    let (accepting, unreachable) = (BlackHole::accepting().await.unwrap(), BlackHole::unreachable().await.unwrap());
    let moment = Duration::from_millis(200);
    let mut taken = TcpStream::connect(accepting.address()).await.unwrap();
    assert!(timeout(moment, taken.read_u8()).await.is_err());
    assert!(timeout(moment, TcpStream::connect(unreachable.address())).await.is_err());
}
