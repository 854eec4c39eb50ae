//! The body of a request: read whole, within its limits.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::answer::Answer;

/// The most bytes a body may have.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// Reads a body; one that comes too slowly, breaks off or is too large is answered.
pub(crate) async fn read(body: Body, limit: Duration) -> Result<Bytes, Answer> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Answer::TooLarge);
    }
    timeout(limit, collect(body)).await.unwrap_or(Err(Answer::Slow))
}

async fn collect(mut body: Body) -> Result<Bytes, Answer> {
    let Some(first) = data(&mut body).await? else { return Ok(Bytes::new()) };
    let Some(second) = data(&mut body).await? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(bytes) = next {
        if whole.len() + bytes.len() > MAX_BODY {
            return Err(Answer::TooLarge);
        }
        whole.extend_from_slice(&bytes);
        next = data(&mut body).await?;
    }
    Ok(whole.freeze())
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
