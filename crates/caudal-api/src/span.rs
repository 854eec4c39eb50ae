//! The span of a request, named by OpenTelemetry's conventions for HTTP servers.

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use caudal_telemetry::trace;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// Answers the request within its span, which is a child of the client's where the client names one.
pub(crate) async fn around(route: MatchedPath, request: Request, next: Next) -> Response {
    let span = open(route.as_str(), &request);
    if let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
        trace::set_parent(&span, parent);
    }
    let response = next.run(request).instrument(span.clone()).await;
    close(&span, response.status());
    response
}

/// The path itself is left out: a client's RUT may stand in it.
fn open(route: &str, request: &Request) -> Span {
    let method = known(request.method());
    tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
        url.scheme = "http",
    )
}

/// A client may name a method as it likes; what OpenTelemetry's conventions do not know has one name.
fn known(method: &Method) -> &str {
    match *method {
        Method::CONNECT
        | Method::DELETE
        | Method::GET
        | Method::HEAD
        | Method::OPTIONS
        | Method::PATCH
        | Method::POST
        | Method::PUT
        | Method::TRACE => method.as_str(),
        _ => "_OTHER",
    }
}

fn close(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}
