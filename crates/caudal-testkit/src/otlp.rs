//! A collector for tests: takes spans over OTLP/gRPC and keeps them.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span as WireSpan, status::StatusCode},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{Error, wait};

/// A span as a collector got it. Ids are lower-case hex, times nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// `service.name` of the process it came from.
    pub service: String,
    /// The span's name.
    pub name: String,
    /// The trace it belongs to.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The id of its parent, which may be another process's span.
    pub parent_id: Option<String>,
    /// The spans it links to: trace id and span id.
    pub links: Vec<(String, String)>,
    /// Its attributes, values as text.
    pub attributes: BTreeMap<String, String>,
    /// The names of its events.
    pub events: Vec<String>,
    /// Whether its status is an error.
    pub failed: bool,
    /// When it began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
}

/// A running OTLP/gRPC receiver on 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct OtlpSink {
    endpoint: String,
    kept: Kept,
    server: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<Span>>>);

impl OtlpSink {
    /// Starts to listen on a free port. Must be called inside a tokio runtime, whose threads it uses.
    pub async fn start() -> Result<Self, Error> {
        let listening = "the OTLP receiver cannot listen";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(listening))?;
        let address = listener.local_addr().map_err(Error::io(listening))?;
        let kept = Kept::default();
        let service = TraceServiceServer::new(kept.clone());
        let serving = Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        let server = tokio::spawn(async move {
            // It ends by being aborted: an error would show as spans that never come.
            let _ = serving.await;
        });
        Ok(Self { endpoint: format!("http://{address}"), kept, server })
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` should be.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans received so far, in the order of their arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a span that `wanted` accepts and returns the first.
    pub async fn span(&self, what: &str, within: Duration, wanted: impl Fn(&Span) -> bool) -> Result<Span, Error> {
        wait::until(what, within, async || {
            let spans = self.spans();
            let found = spans.iter().find(|span| wanted(span)).cloned();
            found.ok_or_else(|| names(&spans))
        })
        .await
    }

    /// Waits till `count` spans of one trace are there and returns them, the earliest first.
    pub async fn trace(&self, trace_id: &str, count: usize, within: Duration) -> Result<Vec<Span>, Error> {
        let what = format!("{count} spans of trace {trace_id}");
        wait::until(&what, within, async || {
            let mut spans = self.spans();
            spans.retain(|span| span.trace_id == trace_id);
            spans.sort_by_key(|span| span.start);
            if spans.len() < count { Err(names(&spans)) } else { Ok(spans) }
        })
        .await
    }
}

impl Drop for OtlpSink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(read);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn names(spans: &[Span]) -> Vec<String> {
    spans.iter().map(|span| format!("{} {}", span.service, span.name)).collect()
}

fn read(group: ResourceSpans) -> Vec<Span> {
    let resource = texts(group.resource.unwrap_or_default().attributes);
    let service = resource.get("service.name").cloned().unwrap_or_default();
    let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(|span| read_span(span, service.clone())).collect()
}

fn read_span(span: WireSpan, service: String) -> Span {
    Span {
        service,
        name: span.name,
        trace_id: hex::encode(span.trace_id),
        span_id: hex::encode(span.span_id),
        parent_id: Some(hex::encode(span.parent_span_id)).filter(|parent| !parent.is_empty()),
        links: span.links.iter().map(|link| (hex::encode(&link.trace_id), hex::encode(&link.span_id))).collect(),
        attributes: texts(span.attributes),
        events: span.events.into_iter().map(|event| event.name).collect(),
        failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(other) => format!("{other:?}"),
    }
}
