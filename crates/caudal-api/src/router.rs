//! The routes, and what stands around each.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Uri};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use caudal_ledger::Ledger;
use caudal_queue::Queue;
use tower_http::catch_panic::CatchPanicLayer;

use crate::answer::Answer;
use crate::{batches, clients, invoices, span, wire};

/// What the clients' routes work with.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) queue: Queue,
    pub(crate) max_backlog: u64,
}

/// The routes for clients.
pub(crate) fn public(service: Service) -> Router {
    let routes = Router::new()
        .route("/facturas/", post(invoices::post).layer(DefaultBodyLimit::max(invoices::MAX_BODY)))
        .route("/facturas", any(redirect))
        .route("/lotes/{id}", get(batches::get));
    around(routes).with_state(service)
}

/// The routes for operators, beside the probes.
pub(crate) fn ops(ledger: Ledger) -> Router {
    around(Router::new().route("/clientes/{rut}", get(clients::get))).with_state(ledger)
}

fn around<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .route_layer(from_fn(span::around))
        .method_not_allowed_fallback(|| async { Answer::MethodNotAllowed })
        .fallback(|| async { Answer::NotFound(wire::NOT_FOUND) })
        .layer(CatchPanicLayer::custom(panicked))
}

/// The original sends `/facturas` on to `/facturas/`, at the host the client named.
async fn redirect<B>(request: Request<B>) -> Answer {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let location = HeaderValue::try_from(with_slash(authority, request.uri()));
    location.map_or(Answer::NotFound(wire::NOT_FOUND), Answer::Redirect)
}

fn with_slash(authority: Option<&str>, uri: &Uri) -> String {
    let origin = authority.map(|authority| format!("http://{authority}")).unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{origin}{}/{query}", uri.path())
}

/// The panic itself is logged by the hook, where its place is known.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Answer::Internal.into_response()
}
