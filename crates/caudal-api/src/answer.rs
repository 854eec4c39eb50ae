//! Every answer the API gives, and the only place that makes responses of them.

use axum::Json;
use axum::http::header::{CONNECTION, HeaderName, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use caudal_invoice::{FieldError, Refusal};
use caudal_queue::Admission;
use serde::Serialize;
use uuid::Uuid;

use crate::metrics::Tally;
use crate::wire::{self, Accepted, Cliente, Complaints, Detail, Lote};

/// When to come again after a 429: the queue drains thousands in this time.
const FULL_SECONDS: u32 = 5;
/// When to come again after a 503.
const UNAVAILABLE_SECONDS: u32 = 2;

/// What a client hears.
pub(crate) enum Answer {
    /// The batch is kept.
    Accepted { id: Uuid, count: u64 },
    /// This batch has the key.
    Duplicate { id: Uuid },
    /// Too much waits already; nothing is kept.
    Full,
    /// What is wrong with the request.
    Invalid(Vec<FieldError>),
    /// The body could not be read.
    NotText,
    /// Too many bytes; the rest of them is not waited for.
    TooLarge,
    /// Too many invoices.
    TooMany,
    /// A part of the service is away; whether the batch is kept is open.
    Unavailable,
    /// Not expected ever.
    Internal,
    /// There is no such thing, in these words.
    NotFound(&'static str),
    /// The query is wrong, in these words.
    BadQuery(&'static str),
    /// The path does not know the method.
    MethodNotAllowed,
    /// The place is another.
    Redirect(HeaderValue),
    /// How far a batch is.
    Lote(Lote),
    /// A client of the ledger.
    Cliente(Cliente),
}

impl Answer {
    /// The answer to a refused body. The key is what was wrong before the body was read, if anything.
    pub(crate) fn refused(refusal: Refusal, key: Option<FieldError>) -> Self {
        match refusal {
            Refusal::NotText => Self::NotText,
            Refusal::TooMany => Self::TooMany,
            Refusal::Malformed(complaint) => Self::Invalid(vec![complaint]),
            Refusal::Invalid(complaints) => Self::Invalid(key.into_iter().chain(complaints).collect()),
        }
    }

    /// What it counts for.
    fn tally(&self) -> Option<Tally> {
        match self {
            Self::Accepted { count, .. } => Some(Tally::Admitted(*count)),
            Self::Duplicate { .. } => Some(Tally::Refused("duplicate")),
            Self::Full => Some(Tally::Refused("full")),
            Self::Invalid(_) => Some(Tally::Refused("invalid")),
            Self::NotText => Some(Tally::Refused("not_text")),
            Self::TooLarge => Some(Tally::Refused("too_large")),
            Self::TooMany => Some(Tally::Refused("too_many")),
            Self::Unavailable => Some(Tally::Refused("unavailable")),
            Self::Internal => Some(Tally::Refused("internal")),
            Self::NotFound(_) => Some(Tally::Refused("not_found")),
            Self::BadQuery(_) => Some(Tally::Refused("bad_query")),
            Self::MethodNotAllowed => Some(Tally::Refused("method_not_allowed")),
            Self::Redirect(_) | Self::Lote(_) | Self::Cliente(_) => None,
        }
    }

    /// The answer to an admitted batch of so many invoices.
    pub(crate) fn admitted(admission: &Admission, count: u64) -> Self {
        match *admission {
            Admission::Accepted { id } => Self::Accepted { id, count },
            Admission::Duplicate { id, .. } => Self::Duplicate { id },
            Admission::Full { .. } => Self::Full,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let tally = self.tally();
        let mut response = match self {
            Self::Accepted { id, count } => with(LOCATION, place(id), json(StatusCode::ACCEPTED, &Accepted::of(count))),
            Self::Duplicate { id } => with(LOCATION, place(id), detail(StatusCode::CONFLICT, wire::DUPLICATE)),
            Self::Full => with(RETRY_AFTER, FULL_SECONDS.into(), detail(StatusCode::TOO_MANY_REQUESTS, wire::FULL)),
            Self::Invalid(complaints) => json(StatusCode::UNPROCESSABLE_ENTITY, &Complaints { detail: complaints }),
            Self::NotText => detail(StatusCode::BAD_REQUEST, wire::NOT_TEXT),
            Self::TooLarge => {
                let close = HeaderValue::from_static("close");
                with(CONNECTION, close, detail(StatusCode::PAYLOAD_TOO_LARGE, wire::TOO_LARGE))
            }
            Self::TooMany => detail(StatusCode::PAYLOAD_TOO_LARGE, wire::TOO_MANY),
            Self::Unavailable => {
                let response = detail(StatusCode::SERVICE_UNAVAILABLE, wire::UNAVAILABLE);
                with(RETRY_AFTER, UNAVAILABLE_SECONDS.into(), response)
            }
            Self::Internal => detail(StatusCode::INTERNAL_SERVER_ERROR, wire::INTERNAL),
            Self::NotFound(text) => detail(StatusCode::NOT_FOUND, text),
            Self::BadQuery(text) => detail(StatusCode::UNPROCESSABLE_ENTITY, text),
            Self::MethodNotAllowed => detail(StatusCode::METHOD_NOT_ALLOWED, wire::METHOD_NOT_ALLOWED),
            Self::Redirect(location) => with(LOCATION, location, StatusCode::TEMPORARY_REDIRECT.into_response()),
            Self::Lote(lote) => json(StatusCode::OK, &lote),
            Self::Cliente(cliente) => json(StatusCode::OK, &cliente),
        };
        if let Some(tally) = tally {
            response.extensions_mut().insert(tally);
        }
        response
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    (status, Json(body)).into_response()
}

fn detail(status: StatusCode, text: &'static str) -> Response {
    json(status, &Detail { detail: text.into() })
}

fn with(name: HeaderName, value: HeaderValue, mut response: Response) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// Where a batch's status is. An id is always fit for a header.
fn place(id: Uuid) -> HeaderValue {
    HeaderValue::try_from(format!("/lotes/{id}")).unwrap_or_else(|_| HeaderValue::from_static(""))
}
