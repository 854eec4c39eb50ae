//! A connection with many requests at a time (HTTP/2).

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::response::Response;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, interval_at, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::House;
use super::connection::MAX_HEAD;
use super::socket::Socket;
use super::turn::State;
use crate::answer::Answer;
use crate::location::Ends;

/// The most requests at once on one connection.
const STREAMS: u32 = 64;
/// The most bytes of all bodies of a connection that may come unasked.
const WINDOW: u32 = 1024 * 1024;

/// The requests of a connection that began, and that ended.
#[derive(Clone, Default)]
struct Requests {
    begun: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl Requests {
    /// How many began, where none is under way.
    fn at_rest(&self) -> Option<u64> {
        let (ended, begun) = (self.ended.load(Ordering::Relaxed), self.begun.load(Ordering::Relaxed));
        (ended == begun).then_some(begun)
    }

    fn begin(&self) -> Ending {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ending(self.ended.clone())
    }
}

/// Counts a request as ended, however it ends.
struct Ending(Arc<AtomicU64>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The tasks of requests, each from its head to the last byte of its answer, which has a limit. They are waited for at the
/// end, as those of connections.
#[derive(Clone)]
struct Tasks {
    tracker: TaskTracker,
    limit: Duration,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.tracker.spawn(timeout(self.limit, task));
    }
}

/// Answers a client until one of the two has enough.
pub(super) async fn serve(socket: Socket, house: &House) {
    // The socket leaves it to the pings and to [`idle`] to find out who is gone.
    socket.turn().set(State::Busy);
    let (requests, ends) = (Requests::default(), socket.ends());
    let service = service_fn(|request| {
        let (ending, house) = (requests.begin(), house.clone());
        async move {
            let answer = answer(house, request, ends).await;
            drop(ending);
            answer
        }
    });
    let mut connection = pin!(builder(house).serve_connection(TokioIo::new(socket), service));
    tokio::select! {
        // A broken connection has nobody to tell.
        _ = &mut connection => return,
        () = house.leaving.cancelled() => {}
        () = idle(&requests, house.limits.idle) => {}
    }
    connection.as_mut().graceful_shutdown();
    let patience = async {
        house.leaving.cancelled().await;
        house.closed.cancelled().await;
        // What was still under way is answered now.
        sleep(house.limits.linger).await;
    };
    tokio::select! {
        _ = connection => {}
        () = patience => {}
        () = sleep(house.limits.idle) => {}
    }
}

fn builder(house: &House) -> http2::Builder<Tasks> {
    let limit = house.limits.body + house.limits.answer;
    let mut builder = http2::Builder::new(Tasks { tracker: house.tasks.clone(), limit });
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        // Larger heads reach the service, which answers them; there is a limit to that.
        .max_header_list_size(4 * MAX_HEAD as u32)
        .keep_alive_interval(house.limits.ping)
        .keep_alive_timeout(house.limits.ping);
    builder
}

/// Returns once no request came for at least the limit, and none is under way.
async fn idle(requests: &Requests, limit: Duration) {
    let mut ticks = interval_at(Instant::now() + limit, limit);
    let mut before = None;
    loop {
        ticks.tick().await;
        let now = requests.at_rest();
        if now.is_some() && now == before {
            return;
        }
        before = now;
    }
}

async fn answer(house: House, request: hyper::Request<Incoming>, ends: Ends) -> Result<Response, Infallible> {
    let head: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head + request.uri().path().len() > MAX_HEAD {
        return Ok(house.refuse(Answer::LongHead));
    }
    match house.closed.run_until_cancelled(house.answer(request, ends)).await {
        Some(answer) => answer,
        None => Ok(house.refuse(Answer::Unavailable)),
    }
}
