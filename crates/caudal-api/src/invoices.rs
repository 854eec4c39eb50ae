//! `POST /facturas/`: from the request to the queue.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use caudal_invoice::{FieldError, Invoice, RutCheck, chunk, fingerprint, parse_batch};
use caudal_queue::{Admission, Batch, Chunk, Error, Queue};
use caudal_telemetry::trace::traceparent;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::Span;
use uuid::Uuid;

use crate::answer::Answer;
use crate::body::Whole;
use crate::callers::Caller;
use crate::room::Room;
use crate::router::Service;
use crate::{body, header, key};

/// From this size on a body is read on a thread of its own, so that others are answered meanwhile.
const LARGE_BODY: usize = 256 * 1024;
/// Pauses before Redis is asked again whether it has the batch.
const ASK_AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Takes a batch in.
pub(crate) async fn post(
    Caller(caller): Caller,
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let Whole { bytes, place } = match body::read(body, service.body_limit, &service.room).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let key = key::digest(&headers, &caller);
    let content_type = headers.get(CONTENT_TYPE).map(header::text);
    let (is_large, room, check) = (bytes.len() >= LARGE_BODY, service.room.clone(), service.rut_check);
    // The place is kept meanwhile: what is made of the body takes about as much room. An answer has its own.
    let read = move || (read(content_type.as_deref(), &bytes, key, check, &room), place);
    let (read, _place) = if is_large { aside(&service.room, read).await } else { read() };
    match read {
        Ok((key, invoices)) => take_in(&service, batch(key, &caller, &invoices)).await,
        Err(answer) => answer,
    }
}

/// The key and the invoices of a request, or what is wrong with them.
fn read(
    content_type: Option<&str>,
    body: &[u8],
    key: Result<[u8; 32], FieldError>,
    check: RutCheck,
    room: &Room,
) -> Result<([u8; 32], Vec<Invoice>), Answer> {
    match (parse_batch(content_type, body, check), key) {
        (Ok(invoices), Ok(key)) => Ok((key, invoices)),
        (Ok(_), Err(missing)) => Err(Answer::invalid(vec![missing], room)),
        (Err(refusal), key) => Err(Answer::refused(refusal, key.err(), room)),
    }
}

/// Works on a thread of its own, when it is its turn.
async fn aside<T: Send + 'static>(room: &Room, work: impl FnOnce() -> T + Send + 'static) -> T {
    let turn = room.turn().await;
    // The turn goes with it: the client may leave before it is done.
    let done = spawn_blocking(move || (work(), turn)).await;
    // A panic there goes on here, where the request's own guard answers it.
    done.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic())).0
}

fn batch(key: [u8; 32], caller: &str, invoices: &[Invoice]) -> Batch {
    Batch {
        id: Uuid::now_v7(),
        key,
        fingerprint: fingerprint(invoices),
        chunks: chunk::cut(invoices).map(|(payload, count)| Chunk { payload, count }).collect(),
        traceparent: traceparent(&Span::current()),
        caller: caller.to_owned(),
    }
}

async fn take_in(service: &Service, batch: Batch) -> Answer {
    let max_backlog = service.pressure.max_backlog(service.max_backlog);
    match admit(&service.queue, &batch, max_backlog).await {
        Ok(Admission::Accepted { id }) => Answer::Accepted { id, count: batch.count() },
        Ok(Admission::Duplicate { id, count, same }) => Answer::duplicate(id, count, same, service.on_duplicate),
        Ok(Admission::Full { .. }) | Err(Error::OutOfMemory(_)) => {
            Answer::Full { seconds: service.pressure.retry_after() }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a batch could not be queued");
            Answer::Unavailable
        }
    }
}

/// Asks again, with the same batch id, where the answer was lost: the batch may be in, or come in yet. Then neither a full
/// queue nor a Redis without room may say that nothing is kept.
async fn admit(queue: &Queue, batch: &Batch, max_backlog: u64) -> Result<Admission, Error> {
    let mut pauses = ASK_AGAIN.into_iter();
    let mut lost = None;
    loop {
        match queue.admit(batch, max_backlog).await {
            Err(error) if error.is_unavailable() => {
                let Some(pause) = pauses.next() else { return Err(error) };
                lost = Some(error);
                sleep(pause).await;
            }
            refused @ (Ok(Admission::Full { .. }) | Err(Error::OutOfMemory(_))) => return lost.map_or(refused, Err),
            settled => return settled,
        }
    }
}
