//! The server of clients: takes connections while there is room, and ends with them.

mod alarm;
mod connection;
mod farewell;
mod socket;
mod streams;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower::util::Oneshot;

use crate::Limits;
use crate::answer::Answer;
use crate::location::Ends;
use crate::metrics::Metrics;
use crate::router::Public;

/// How long to wait where the system has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Open files that are left for all but clients: Redis, PostgreSQL, probes, operators, files.
const OWN_FILES: u64 = 64;

/// What every connection works with.
#[derive(Clone)]
struct House {
    routes: Public,
    limits: Limits,
    metrics: Metrics,
    tasks: TaskTracker,
    /// No more requests are taken.
    leaving: CancellationToken,
    /// Nothing is waited for any more.
    closed: CancellationToken,
}

impl House {
    /// Takes along no more of the house than the answer needs: each request does.
    fn answer(&self, request: hyper::Request<Incoming>, ends: Ends) -> Oneshot<Public, Request> {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ends);
        self.routes.clone().oneshot(request)
    }

    /// The answer to what reaches no route.
    fn refuse(&self, answer: Answer) -> Response {
        self.metrics.refuse(&answer);
        answer.into_response()
    }
}

/// Serves until `shutdown`; then takes no more connections, and ends when the requests under way are answered, or after
/// the grace.
pub(crate) async fn run(
    listener: TcpListener,
    routes: Public,
    limits: Limits,
    metrics: Metrics,
    shutdown: &CancellationToken,
) {
    let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
    let house = House { routes, limits, metrics, tasks, leaving: shutdown.clone(), closed };
    take(listener, &house).await;
    house.tasks.close();
    if tokio::time::timeout(limits.grace, house.tasks.wait()).await.is_err() {
        tracing::warn!("requests that did not end in time are cut off");
        house.closed.cancel();
        house.tasks.wait().await;
    }
}

async fn take(listener: TcpListener, house: &House) {
    let seats = Arc::new(Semaphore::new(seats(house.limits.connections, getrlimit(Resource::Nofile).current)));
    let next = async || (seats.clone().acquire_owned().await.ok(), accept(&listener).await);
    while let Some((seat, stream)) = house.leaving.run_until_cancelled(next()).await {
        house.tasks.spawn(attend(seat, stream, house.clone()));
    }
}

/// How many connections there may be at once, where so many files may be open.
fn seats(connections: usize, files: Option<u64>) -> usize {
    let Some(files) = files else { return connections };
    let fit = usize::try_from(files.saturating_sub(OWN_FILES)).unwrap_or(usize::MAX).max(1);
    if fit < connections {
        tracing::warn!(
            connections = fit,
            wanted = connections,
            "the limit of open files leaves room for fewer clients"
        );
    }
    connections.min(fit)
}

async fn attend(_seat: Option<OwnedSemaphorePermit>, stream: TcpStream, house: House) {
    connection::attend(stream, house).await;
}

/// The next connection. Where there is none to be had, for example because too many files are open, it waits.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
