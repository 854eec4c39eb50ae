//! `GET /lotes/{id}`: how far a batch is.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use uuid::Uuid;

use crate::answer::Answer;
use crate::callers::Caller;
use crate::router::Service;
use crate::{lote, wire};

/// Tells how far a batch is.
pub(crate) async fn get(
    Caller(caller): Caller,
    State(service): State<Arc<Service>>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Answer {
    let Ok(Path(id)) = id else { return Answer::NotFound(wire::NO_SUCH_BATCH) };
    match service.queue.status(id).await {
        // Another caller's batch is not told from none.
        Ok(Some(status)) if *status.caller == *caller => Answer::lote(&lote::describe(id, status), &service.room),
        Ok(_) => Answer::NotFound(wire::NO_SUCH_BATCH),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a batch could not be looked up");
            Answer::Unavailable
        }
    }
}
