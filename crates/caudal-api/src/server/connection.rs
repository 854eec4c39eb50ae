//! A connection with one request at a time (HTTP/1), and what begins as one.

use axum::http::header::HOST;
use chrono::Utc;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::farewell::{self, End};
use super::socket::Socket;
use super::turn::State;
use super::{House, streams};
use crate::answer::Answer;

/// The most bytes the head of a request may have.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// The most bytes of a body that are read ahead.
const READ_AHEAD: usize = 256 * 1024;

/// Answers a client until one of the two has enough.
pub(super) async fn attend(stream: TcpStream, house: House) {
    // Without it an answer may wait for the acknowledgement of the one before.
    drop(stream.set_nodelay(true));
    let mut socket = Socket::new(stream, house.limits);
    let speaks_http2 = tokio::select! {
        speaks = socket.speaks_http2() => speaks,
        () = house.leaving.cancelled() => {
            let end = End { open: socket.heard(), closed: true, ..End::default() };
            return part(socket, &end, &house).await;
        }
    };
    if speaks_http2 { streams::serve(socket, &house).await } else { serve(socket, &house).await }
}

async fn serve(socket: Socket, house: &House) {
    let (turn, ends) = (socket.turn(), socket.ends());
    let service = service_fn(|request| {
        turn.set(State::Busy);
        let turn = turn.clone();
        async move {
            let answer = match is_well_formed(&request) {
                true => house.answer(request, ends).await,
                false => Ok(house.refuse(Answer::NoRequest)),
            };
            turn.set(State::Answered);
            answer
        }
    });
    let mut connection = http1::Builder::new()
        // A client may end its side once it has asked.
        .half_close(true)
        // The socket keeps the time.
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(socket), service);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = house.leaving.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            house.closed.run_until_cancelled(&mut connection).await
        }
    };
    let parts = connection.into_parts();
    let socket = parts.io.into_inner();
    let end = End { closed: house.leaving.is_cancelled(), ..end(&socket, ended.as_ref(), &parts.read_buf) };
    part(socket, &end, house).await;
}

/// How it ended: of itself, with the library's word, or not.
fn end<'b>(socket: &Socket, ended: Option<&hyper::Result<()>>, unread: &'b [u8]) -> End<'b> {
    let (state, error) = (socket.turn().state(), ended.and_then(|ended| ended.as_ref().err()));
    let waiting = state == State::Waiting && (socket.heard() || !unread.is_empty());
    // Where the library ended of itself behind an answer, what is unread belongs to a request that has it.
    let is_settled = matches!(ended, Some(Ok(()))) && !socket.late() && socket.answered();
    End {
        open: !is_settled && (waiting || state == State::Busy),
        malformed: socket.refused() || error.is_some_and(hyper::Error::is_parse),
        too_large: error.is_some_and(hyper::Error::is_parse_too_large),
        late: socket.late(),
        unread,
        ..End::default()
    }
}

/// What the library lets through of bytes that are no request: one without its one `Host` (RFC 9112, 3.2; in HTTP/1.0 it
/// may have none), and a target that is not ASCII.
fn is_well_formed(request: &Request<Incoming>) -> bool {
    let is_placed = match request.headers().get_all(HOST).iter().count() {
        0 => request.version() < Version::HTTP_11,
        hosts => hosts == 1,
    };
    is_placed && request.uri().path_and_query().is_none_or(|target| target.as_str().is_ascii())
}

async fn part(socket: Socket, end: &End<'_>, house: &House) {
    let words = match end.answer() {
        Some(answer) => {
            house.metrics.refuse(&answer);
            farewell::write(answer, Utc::now()).await
        }
        None => Vec::new(),
    };
    socket.close(&words).await;
}
