//! The body of a request: read whole, within its limits, where there is room for it.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::room::{Place, Room};

/// The most bytes a body may have.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A body, and the place it takes.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) place: Place,
}

/// Reads a body; one that comes too slowly, breaks off, is too large or finds no room is answered.
pub(crate) async fn read(body: Body, limit: Duration, room: &Room) -> Result<Whole, Answer> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Answer::TooLarge);
    }
    timeout(limit, collect(body, room)).await.unwrap_or(Err(Answer::Slow))
}

/// Room is taken for what has come, at most twice as much, and never for all that is announced.
async fn collect(mut body: Body, room: &Room) -> Result<Whole, Answer> {
    let most = body
        .size_hint()
        .upper()
        .and_then(|most| usize::try_from(most).ok())
        .map_or(MAX_BODY, |most| most.min(MAX_BODY));
    let Some(first) = data(&mut body).await? else { return Ok(Whole { bytes: Bytes::new(), place: room.take(0)? }) };
    let mut place = room.take(first.len())?;
    let Some(mut next) = data(&mut body).await? else { return Ok(Whole { bytes: first, place }) };
    let mut whole = BytesMut::from(first);
    loop {
        let length = whole.len() + next.len();
        if length > most {
            return Err(Answer::TooLarge);
        }
        if length > place.num_permits() {
            let taken = place.num_permits();
            let capacity = length.max(2 * taken).min(most);
            place.merge(room.take_much(capacity - taken)?);
            whole.reserve(capacity - whole.len());
        }
        whole.extend_from_slice(&next);
        match data(&mut body).await? {
            Some(bytes) => next = bytes,
            None => return Ok(Whole { bytes: whole.freeze(), place }),
        }
    }
}

/// The next bytes, none at the end. What comes behind the data is ignored.
async fn data(body: &mut Body) -> Result<Option<Bytes>, Answer> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Answer::NotText)?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}
