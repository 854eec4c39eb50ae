//! The ops port: whether this process lives and is ready, told in words, and what it counts.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Registry};

/// Where the ops port is.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// Address for probes, metrics and operators
    #[arg(long, env = "CAUDAL_OPS_LISTEN", default_value = "0.0.0.0:9090", value_name = "ADDRESS:PORT")]
    pub ops_listen: SocketAddr,
}

impl Options {
    /// Takes the address.
    ///
    /// # Errors
    /// An error that names the variable and the address, where it cannot be had.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        let address = self.ops_listen;
        TcpListener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("CAUDAL_OPS_LISTEN: cannot listen on {address}: {error}"))
        })
    }
}

/// What the probes answer; clones share it.
#[derive(Clone, Debug)]
pub struct Probes {
    state: Arc<Mutex<Pulse>>,
    stalled_after: Option<Duration>,
}

#[derive(Debug)]
struct Pulse {
    unready: Option<Cow<'static, str>>,
    last_beat: Instant,
}

impl Probes {
    /// For a process without a loop of its own: alive as long as it answers. Not ready until told.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// For a process with a loop, which calls [`Probes::beat`]: no longer alive once that is older than `stalled_after`.
    #[must_use]
    pub fn watching(stalled_after: Duration) -> Self {
        Self::with(Some(stalled_after))
    }

    fn with(stalled_after: Option<Duration>) -> Self {
        let pulse = Pulse { unready: Some("starting".into()), last_beat: Instant::now() };
        Self { state: Arc::new(Mutex::new(pulse)), stalled_after }
    }

    /// The loop has turned.
    pub fn beat(&self) {
        self.lock().last_beat = Instant::now();
    }

    /// The process can do its work.
    pub fn ready(&self) {
        self.lock().unready = None;
    }

    /// The process cannot do its work, for this reason (no secrets: it is shown).
    pub fn unready(&self, reason: impl Into<Cow<'static, str>>) {
        self.lock().unready = Some(reason.into());
    }

    /// Whether the process can do its work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().unready.is_none()
    }

    fn health(&self) -> (StatusCode, String) {
        let silent = self.lock().last_beat.elapsed();
        match self.stalled_after {
            Some(limit) if silent > limit => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("the loop has not turned for {} s\n", silent.as_secs()))
            }
            _ => (StatusCode::OK, "ok\n".to_owned()),
        }
    }

    fn readiness(&self) -> (StatusCode, String) {
        match &self.lock().unready {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pulse> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Probes {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves `/healthz`, `/readyz`, `/metrics` and the role's own routes until `shutdown`.
///
/// # Errors
/// What the listener answers when it can accept no more.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    probes: Probes,
    registry: Registry,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let metrics = Router::new()
        .route("/metrics", get(|State(registry): State<Arc<Registry>>| async move { read(&registry).await }))
        .with_state(Arc::new(registry));
    let router = Router::new()
        .route("/healthz", get(|State(probes): State<Probes>| async move { probes.health() }))
        .route("/readyz", get(|State(probes): State<Probes>| async move { probes.readiness() }))
        .with_state(probes)
        .merge(metrics)
        .merge(routes);
    // A probe's or scraper's idle connection must not hold up the end: nothing here needs to be finished.
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served,
        () = shutdown.cancelled() => Ok(()),
    }
}

async fn read(registry: &Registry) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], registry.render().await)
}
