//! The routes, and what stands around each.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use caudal_invoice::RutCheck;
use caudal_ledger::Ledger;
use caudal_queue::Queue;
use tower::util::MapRequest;
use tower_http::catch_panic::CatchPanicLayer;

use crate::answer::Answer;
use crate::callers::{Caller, Callers};
use crate::docs::Documents;
use crate::metrics::{Metrics, count};
use crate::options::OnDuplicate;
use crate::pressure::Pressure;
use crate::room::Room;
use crate::{batches, clients, invoices, path, span, wire};

/// What the clients' routes work with. It is shared, not copied: axum copies its state several times for each request.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) queue: Queue,
    pub(crate) ledger: Ledger,
    pub(crate) max_backlog: u64,
    pub(crate) pressure: Arc<Pressure>,
    /// Who may call; everybody where there are none.
    pub(crate) callers: Option<Arc<Callers>>,
    pub(crate) on_duplicate: OnDuplicate,
    pub(crate) rut_check: RutCheck,
    /// How long a body may take to come.
    pub(crate) body_limit: Duration,
    /// Where bodies and answers are kept.
    pub(crate) room: Room,
}

/// The routes for clients, which also take the intake's path in its other spellings.
pub(crate) type Public = MapRequest<Router, fn(Request) -> Request>;

/// The routes for clients.
pub(crate) fn public(service: Service, documents: Documents, metrics: Metrics) -> Public {
    let mut routes = Router::new()
        .route("/facturas/", post(invoices::post))
        .route("/facturas", any(path::redirect))
        .route("/lotes/{id}", get(batches::get))
        .merge(documents.routes())
        .fallback(path::elsewhere);
    if service.callers.is_some() {
        routes = routes.route("/clientes/{rut}", get(clients::get_for_caller));
    }
    MapRequest::new(around::<_, Caller>(routes, metrics).with_state(Arc::new(service)), path::plain)
}

/// The routes for operators, beside the probes.
pub(crate) fn ops(ledger: Ledger, metrics: Metrics) -> Router {
    let routes = Router::new().route("/clientes/{rut}", get(clients::get));
    around::<_, ()>(routes.fallback(|| async { Answer::NotFound(wire::NOT_FOUND) }), metrics).with_state(ledger)
}

/// Which methods a route has is told only to whom `Known` knows.
fn around<S, Known>(routes: Router<S>, metrics: Metrics) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Known: FromRequestParts<S> + Send + 'static,
{
    routes
        .route_layer(from_fn(span::around))
        .method_not_allowed_fallback(|_: Known| async { Answer::MethodNotAllowed })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::new(metrics), count))
}

/// The panic itself is logged by the hook, where its place is known.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Answer::Internal.into_response()
}
