//! A collector for tests: takes spans over OTLP, by gRPC and by HTTP on the same port, and keeps them.

use std::{
    collections::BTreeMap,
    future::IntoFuture,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode as HttpStatus},
    routing::post,
    serve::Listener,
};
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span as WireSpan, status::StatusCode},
};
use prost::Message;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};
use tonic::{Request, Response, Status, codec::CompressionEncoding, service::Routes};

use crate::{Error, pki::Identity, wait};

const LISTENING: &str = "the OTLP receiver cannot listen";

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

/// How an export came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// As a call of gRPC.
    Grpc,
    /// As an HTTP request with a body in protobuf.
    Http,
}

/// One request that brought spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// How it came.
    pub protocol: Protocol,
    /// Its headers, those that are text.
    pub headers: BTreeMap<String, String>,
}

/// A running OTLP receiver on 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct OtlpSink {
    endpoint: String,
    kept: Kept,
    server: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Received>>);

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    exports: Vec<Export>,
}

impl OtlpSink {
    /// Starts to listen on a free port. Must be called inside a tokio runtime, whose threads it uses.
    pub async fn start() -> Result<Self, Error> {
        let listener = listen().await.map_err(Error::io(LISTENING))?;
        let address = listener.local_addr().map_err(Error::io(LISTENING))?;
        Ok(Self::serve(listener, format!("http://{address}")))
    }

    /// As [`OtlpSink::start`], over TLS, as `localhost` with this identity.
    pub async fn start_tls(identity: &Identity) -> Result<Self, Error> {
        let listener = listen().await.map_err(Error::io(LISTENING))?;
        let port = listener.local_addr().map_err(Error::io(LISTENING))?.port();
        let acceptor = acceptor(identity).map_err(Error::io("the OTLP receiver's identity cannot be used"))?;
        Ok(Self::serve(Tls { listener, acceptor }, format!("https://localhost:{port}")))
    }

    fn serve<L: Listener<Addr: std::fmt::Debug>>(listener: L, endpoint: String) -> Self {
        let kept = Kept::default();
        let service = TraceServiceServer::new(kept.clone()).accept_compressed(CompressionEncoding::Gzip);
        let http = axum::Router::new().route("/v1/traces", post(take)).with_state(kept.clone());
        let router = Routes::new(service).into_axum_router().merge(http);
        let serving = axum::serve(listener, router).into_future();
        let server = tokio::spawn(async move {
            // It ends by being aborted: an error would show as spans that never come.
            let _ = serving.await;
        });
        Self { endpoint, kept, server }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` should be.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans received so far, in the order of their arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().spans.clone()
    }

    /// All requests that brought them.
    pub fn exports(&self) -> Vec<Export> {
        self.kept.lock().exports.clone()
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

/// Takes connections that speak TLS.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            // Who does not trust us goes away: not our failure.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

fn acceptor(identity: &Identity) -> io::Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_file(&identity.certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(io::Error::other)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let mut config = config.map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Kept {
    fn keep(&self, protocol: Protocol, headers: &HeaderMap, request: ExportTraceServiceRequest) {
        let text =
            |(name, value): (_, &axum::http::HeaderValue)| Some((format!("{name}"), value.to_str().ok()?.to_owned()));
        let headers = headers.iter().filter_map(text).collect();
        let mut received = self.lock();
        received.exports.push(Export { protocol, headers });
        received.spans.extend(request.resource_spans.into_iter().flat_map(read));
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an export by HTTP.
async fn take(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> Result<Vec<u8>, HttpStatus> {
    let mut inflated = Vec::new();
    let body = match headers.get("content-encoding").map(|value| value.as_bytes()) {
        None => &*body,
        Some(b"gzip") => {
            GzDecoder::new(&*body).read_to_end(&mut inflated).map_err(|_| HttpStatus::BAD_REQUEST)?;
            &*inflated
        }
        Some(_) => return Err(HttpStatus::UNSUPPORTED_MEDIA_TYPE),
    };
    let request = ExportTraceServiceRequest::decode(body).map_err(|_| HttpStatus::BAD_REQUEST)?;
    kept.keep(Protocol::Http, &headers, request);
    Ok(ExportTraceServiceResponse::default().encode_to_vec())
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.keep(Protocol::Grpc, &metadata.into_headers(), request);
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
