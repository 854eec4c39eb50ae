//! A client's socket: bytes within their time limits, and no answer that is not of the wire.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::alarm::Alarm;
use super::turn::{State, Turn};
use crate::Limits;
use crate::location::Ends;

/// How a client begins who speaks HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The most of a refused request that is still read.
const MOST_LINGERING: u64 = 64 * 1024 * 1024;

/// A client's socket, as the HTTP library sees it.
pub(super) struct Socket {
    stream: TcpStream,
    limits: Limits,
    turn: Turn,
    /// What was read to learn which HTTP is spoken, and is still to be handed out.
    greeting: Vec<u8>,
    waiting_since: Instant,
    /// A request was answered.
    answered: bool,
    /// When the first byte of the request came that is coming.
    head_since: Option<Instant>,
    /// Since when the client takes no byte.
    stuck_since: Option<Instant>,
    /// Since when an answer is being written.
    answering_since: Option<Instant>,
    reading: Alarm,
    writing: Alarm,
    late: bool,
    refused: bool,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, limits: Limits) -> Self {
        Self {
            stream,
            limits,
            turn: Turn::default(),
            greeting: Vec::new(),
            waiting_since: Instant::now(),
            answered: false,
            head_since: None,
            stuck_since: None,
            answering_since: None,
            reading: Alarm::default(),
            writing: Alarm::default(),
            late: false,
            refused: false,
        }
    }

    /// Whose turn it is: the service is to tell. While it is busy the socket sets no limit to reading.
    pub(super) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    pub(super) fn ends(&self) -> Ends {
        Ends::of(&self.stream)
    }

    /// Whether a request had begun to come.
    pub(super) fn heard(&self) -> bool {
        self.turn.state() == State::Waiting && self.head_since.is_some()
    }

    /// Whether a request was answered, and the next one is waited for.
    pub(super) fn answered(&self) -> bool {
        self.answered
    }

    /// Whether the client took too long.
    pub(super) fn late(&self) -> bool {
        self.late
    }

    /// Whether the library refused a request with an answer of its own, which was kept back.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// Whether the client begins as one that speaks HTTP/2.
    pub(super) async fn speaks_http2(&mut self) -> bool {
        let mut heard = Vec::with_capacity(1024);
        while heard.len() < PREFACE.len() && PREFACE.starts_with(&heard) {
            if !matches!(self.read_buf(&mut heard).await, Ok(1..)) {
                break;
            }
        }
        self.greeting = heard;
        self.greeting.starts_with(PREFACE)
    }

    /// Says the last words, and lets the client hear them: what it is still sending is read for a while.
    pub(super) async fn close(mut self, words: &[u8]) {
        let Self { stream, limits, .. } = &mut self;
        if !matches!(timeout(limits.write, stream.write_all(words)).await, Ok(Ok(()))) {
            return;
        }
        if stream.shutdown().await.is_ok() {
            let rest = &mut stream.take(MOST_LINGERING);
            // Neither the limit nor a broken connection leaves anything to do.
            drop(timeout(limits.linger, tokio::io::copy(rest, &mut tokio::io::sink())).await);
        }
    }

    /// What comes now is the next request.
    fn begin_request(&mut self) {
        self.turn.set(State::Waiting);
        self.answered = true;
        self.head_since = None;
        self.answering_since = None;
        self.waiting_since = Instant::now();
    }

    /// Until when a client that takes no byte now has to take one: a few now and then do not prolong an answer.
    fn write_deadline(&mut self) -> Instant {
        let deadline = *self.stuck_since.get_or_insert_with(Instant::now) + self.limits.write;
        self.answering_since.map_or(deadline, |since| deadline.min(since + self.limits.answer))
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let idle_until = self.waiting_since + self.limits.idle;
        let deadline = self.head_since.map_or(idle_until, |since| since + self.limits.head);
        self.reading.poll(cx, deadline)
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self;
        if !socket.greeting.is_empty() {
            let length = socket.greeting.len().min(buffer.remaining());
            buffer.put_slice(&socket.greeting[..length]);
            socket.greeting.drain(..length);
            return Poll::Ready(Ok(()));
        }
        match socket.turn.state() {
            State::Busy => return Pin::new(&mut socket.stream).poll_read(cx, buffer),
            State::Answered => socket.begin_request(),
            State::Waiting => {}
        }
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut socket.stream).poll_read(cx, buffer) {
            if buffer.filled().len() > before {
                socket.head_since.get_or_insert_with(Instant::now);
            }
            return Poll::Ready(result);
        }
        if !socket.late {
            ready!(socket.poll_overdue(cx));
            socket.late = true;
        }
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = &mut *self;
        match refusal_at(bytes) {
            Some(0) => {
                socket.refused = true;
                return Poll::Ready(Ok(bytes.len()));
            }
            Some(at) => return self.poll_write(cx, &bytes[..at]),
            None => {}
        }
        if socket.turn.state() == State::Answered {
            socket.answering_since.get_or_insert_with(Instant::now);
        }
        if let Poll::Ready(result) = Pin::new(&mut socket.stream).poll_write(cx, bytes) {
            socket.stuck_since = None;
            return Poll::Ready(result);
        }
        let deadline = socket.write_deadline();
        ready!(socket.writing.poll(cx, deadline));
        // Else the system would keep what was written, and go on offering it.
        drop(socket.stream.set_zero_linger());
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// The last words may be still to come: [`Socket::close`] shuts down.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Where the library's own refusal of bytes that are no request begins: it is the last it writes, and unlike every answer
/// of the wire it is a 4xx without a body.
fn refusal_at(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.strip_suffix(b"\r\n\r\n")?;
    let at = bytes.windows(10).rposition(|start| start.starts_with(b"HTTP/1.") && start.ends_with(b" 4"))?;
    bytes[at..].windows(17).any(|header| header == b"content-length: 0").then_some(at)
}

#[cfg(test)]
mod tests;
