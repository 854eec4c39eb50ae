//! The room that the bodies of requests and the texts of answers share.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::Answer;

/// How many large bodies are read at once: what is made of one meanwhile counts nowhere.
const TURNS: usize = 2;
/// How much of a text is handed on at a time: the HTTP library keeps it until it is sent, and that counts nowhere.
const PIECE: usize = 16 * 1024;

/// The bytes that all bodies and answers together may take. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    /// What is left to small answers and the beginnings of bodies, so that a few large ones do not turn all small ones away.
    spared: usize,
    turns: Arc<Semaphore>,
}

/// The bytes of the room that something takes, until it is dropped.
pub(crate) type Place = OwnedSemaphorePermit;

impl Room {
    pub(crate) fn of(bytes: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            spared: bytes / 4,
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }

    /// A room for all there is: nobody from outside can fill it.
    pub(crate) fn boundless() -> Self {
        Self::of(Semaphore::MAX_PERMITS)
    }

    pub(crate) fn take(&self, bytes: usize) -> Result<Place, Answer> {
        let count = u32::try_from(bytes).map_err(|_| Answer::Crowded)?;
        self.free.clone().try_acquire_many_owned(count).map_err(|_| Answer::Crowded)
    }

    /// As [`Room::take`], but leaves what is spared.
    pub(crate) fn take_much(&self, bytes: usize) -> Result<Place, Answer> {
        match self.free.available_permits() < bytes.saturating_add(self.spared) {
            true => Err(Answer::Crowded),
            false => self.take(bytes),
        }
    }

    /// Waits for the turn to read a large body.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().acquire_owned().await.ok()
    }

    /// Writes an answer's value as JSON, where there is room for it.
    pub(crate) fn write(&self, value: &impl Serialize) -> Result<Text, Answer> {
        let mut size = Size(0);
        serde_json::to_writer(&mut size, value).map_err(|_| Answer::Internal)?;
        let place = if size.0 <= PIECE { self.take(size.0) } else { self.take_much(size.0) }?;
        let mut json = Vec::with_capacity(size.0);
        serde_json::to_writer(&mut json, value).map_err(|_| Answer::Internal)?;
        Ok(Text { json, sent: 0, _place: place })
    }
}

/// Counts what is written.
struct Size(usize);

impl io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// JSON to be sent, which keeps its place until all of it is handed on.
#[derive(Debug)]
pub(crate) struct Text {
    json: Vec<u8>,
    sent: usize,
    _place: Place,
}

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let rest = &self.json[self.sent..];
        if rest.is_empty() {
            return Poll::Ready(None);
        }
        // A copy: a slice that is still to be sent would keep the whole text.
        let piece = Bytes::copy_from_slice(&rest[..rest.len().min(PIECE)]);
        self.sent += piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.json.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.json.len() - self.sent) as u64)
    }
}
