//! Every answer the API gives, and the only place that makes responses of them.

use axum::Json;
use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use caudal_invoice::{FieldError, Refusal};
use serde::Serialize;
use uuid::Uuid;

use crate::metrics::Tally;
use crate::options::OnDuplicate;
use crate::room::{Room, Text};
use crate::wire::{self, Accepted, Cliente, Complaints, Detail, Lote};

/// Tells that the batch was taken before, as the IETF's draft on idempotency keys has it.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// When to come again after a 503.
const UNAVAILABLE_SECONDS: u32 = 2;

/// What a client hears.
pub(crate) enum Answer {
    /// The batch is kept.
    Accepted { id: Uuid, count: u64 },
    /// The key was taken before, with the same invoices.
    Replayed { id: Uuid, count: u64 },
    /// The key was taken before, with other invoices.
    OtherInvoices,
    /// The caller bears no key that is known.
    Unauthorized,
    /// This batch has the key; none where another program took it.
    Duplicate { id: Option<Uuid> },
    /// Too much waits already; nothing is kept. When to come again.
    Full { seconds: u32 },
    /// What is wrong with the request: [`Complaints`].
    Invalid(Text),
    /// The body could not be read.
    NotText,
    /// The bytes are no request.
    NoRequest,
    /// The request speaks another version of HTTP.
    OtherVersion,
    /// The address is too long.
    LongUri,
    /// The headers are too long.
    LongHead,
    /// The request takes too long to come.
    Slow,
    /// Too many bytes; the rest of them is not waited for.
    TooLarge,
    /// The bodies and answers of others take all the room there is; the rest of this body is not waited for.
    Crowded,
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
    /// How far a batch is: [`Lote`].
    Lote(Text),
    /// A client of the ledger: [`Cliente`].
    Cliente(Text),
}

impl Answer {
    /// The answer to a refused body. The key is what was wrong before the body was read, if anything.
    pub(crate) fn refused(refusal: Refusal, key: Option<FieldError>, room: &Room) -> Self {
        match refusal {
            Refusal::NotText => Self::NotText,
            Refusal::TooMany => Self::TooMany,
            Refusal::Malformed(complaint) => Self::invalid(vec![complaint], room),
            Refusal::Invalid(complaints) => Self::invalid(key.into_iter().chain(complaints).collect(), room),
        }
    }

    pub(crate) fn invalid(complaints: Vec<FieldError>, room: &Room) -> Self {
        Self::written(Self::Invalid, &Complaints { detail: complaints }, room)
    }

    pub(crate) fn lote(lote: &Lote, room: &Room) -> Self {
        Self::written(Self::Lote, lote, room)
    }

    pub(crate) fn cliente(cliente: &Cliente, room: &Room) -> Self {
        Self::written(Self::Cliente, cliente, room)
    }

    /// An answer that may be large, where there is room for it.
    fn written(answer: fn(Text) -> Self, value: &impl Serialize, room: &Room) -> Self {
        room.write(value).map_or_else(|crowded| crowded, answer)
    }

    /// What it counts for.
    pub(crate) fn tally(&self) -> Option<Tally> {
        match self {
            Self::Accepted { count, .. } => Some(Tally::Admitted(*count)),
            Self::OtherInvoices => Some(Tally::Refused("other_invoices")),
            Self::Unauthorized => Some(Tally::Refused("unauthorized")),
            Self::Duplicate { .. } => Some(Tally::Refused("duplicate")),
            Self::Full { .. } => Some(Tally::Refused("full")),
            Self::Invalid(_) => Some(Tally::Refused("invalid")),
            Self::NotText => Some(Tally::Refused("not_text")),
            Self::NoRequest | Self::OtherVersion => Some(Tally::Refused("no_request")),
            Self::LongUri | Self::LongHead => Some(Tally::Refused("long_head")),
            Self::Slow => Some(Tally::Refused("slow")),
            Self::TooLarge => Some(Tally::Refused("too_large")),
            Self::Crowded => Some(Tally::Refused("crowded")),
            Self::TooMany => Some(Tally::Refused("too_many")),
            Self::Unavailable => Some(Tally::Refused("unavailable")),
            Self::Internal => Some(Tally::Refused("internal")),
            Self::NotFound(_) => Some(Tally::Refused("not_found")),
            Self::BadQuery(_) => Some(Tally::Refused("bad_query")),
            Self::MethodNotAllowed => Some(Tally::Refused("method_not_allowed")),
            Self::Replayed { .. } | Self::Redirect(_) | Self::Lote(_) | Self::Cliente(_) => None,
        }
    }

    /// The answer to a known key, for a batch of which `same` tells whether it took the key.
    pub(crate) fn duplicate(id: Option<Uuid>, count: u64, same: bool, on_duplicate: OnDuplicate) -> Self {
        match (id, on_duplicate, same) {
            (Some(id), OnDuplicate::Replay, true) => Self::Replayed { id, count },
            (Some(_), OnDuplicate::Replay, false) => Self::OtherInvoices,
            (id, ..) => Self::Duplicate { id },
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let tally = self.tally();
        let mut response = respond(self);
        if let Some(tally) = tally {
            response.extensions_mut().insert(tally);
        }
        response
    }
}

fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Accepted { id, count } => accepted(id, count),
        Answer::Replayed { id, count } => with(REPLAYED, HeaderValue::from_static("true"), accepted(id, count)),
        Answer::OtherInvoices => detail(StatusCode::UNPROCESSABLE_ENTITY, wire::OTHER_INVOICES),
        Answer::Unauthorized => unauthorized(),
        Answer::Duplicate { id } => duplicate(id),
        Answer::Full { seconds } => {
            with(RETRY_AFTER, seconds.into(), detail(StatusCode::TOO_MANY_REQUESTS, wire::FULL))
        }
        Answer::Invalid(complaints) => sent(StatusCode::UNPROCESSABLE_ENTITY, complaints),
        Answer::NotText => detail(StatusCode::BAD_REQUEST, wire::NOT_TEXT),
        Answer::NoRequest => closing(detail(StatusCode::BAD_REQUEST, wire::NO_REQUEST)),
        Answer::OtherVersion => detail(StatusCode::HTTP_VERSION_NOT_SUPPORTED, wire::OTHER_VERSION),
        Answer::LongUri => detail(StatusCode::URI_TOO_LONG, wire::LONG_URI),
        Answer::LongHead => detail(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, wire::LONG_HEAD),
        Answer::Slow => closing(detail(StatusCode::REQUEST_TIMEOUT, wire::SLOW)),
        Answer::TooLarge => closing(detail(StatusCode::PAYLOAD_TOO_LARGE, wire::TOO_LARGE)),
        Answer::TooMany => detail(StatusCode::PAYLOAD_TOO_LARGE, wire::TOO_MANY),
        Answer::Crowded => closing(unavailable()),
        Answer::Unavailable => unavailable(),
        Answer::Internal => detail(StatusCode::INTERNAL_SERVER_ERROR, wire::INTERNAL),
        Answer::NotFound(text) => detail(StatusCode::NOT_FOUND, text),
        Answer::BadQuery(text) => detail(StatusCode::UNPROCESSABLE_ENTITY, text),
        Answer::MethodNotAllowed => detail(StatusCode::METHOD_NOT_ALLOWED, wire::METHOD_NOT_ALLOWED),
        Answer::Redirect(location) => with(LOCATION, location, StatusCode::TEMPORARY_REDIRECT.into_response()),
        Answer::Lote(lote) => sent(StatusCode::OK, lote),
        Answer::Cliente(cliente) => sent(StatusCode::OK, cliente),
    }
}

fn accepted(id: Uuid, count: u64) -> Response {
    with(LOCATION, place(id), json(StatusCode::ACCEPTED, &Accepted::of(count)))
}

fn unauthorized() -> Response {
    let response = detail(StatusCode::UNAUTHORIZED, wire::UNAUTHORIZED);
    with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"), response)
}

fn duplicate(id: Option<Uuid>) -> Response {
    let response = detail(StatusCode::CONFLICT, wire::DUPLICATE);
    match id {
        Some(id) => with(LOCATION, place(id), response),
        None => response,
    }
}

fn sent(status: StatusCode, text: Text) -> Response {
    let json = HeaderValue::from_static("application/json");
    with(CONTENT_TYPE, json, (status, Body::new(text)).into_response())
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    (status, Json(body)).into_response()
}

fn detail(status: StatusCode, text: &'static str) -> Response {
    json(status, &Detail { detail: text.into() })
}

fn unavailable() -> Response {
    let response = detail(StatusCode::SERVICE_UNAVAILABLE, wire::UNAVAILABLE);
    with(RETRY_AFTER, UNAVAILABLE_SECONDS.into(), response)
}

/// The last answer on its connection: the rest of the request is not waited for.
fn closing(response: Response) -> Response {
    with(CONNECTION, HeaderValue::from_static("close"), response)
}

fn with(name: HeaderName, value: HeaderValue, mut response: Response) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// Where a batch's status is. An id is always fit for a header.
fn place(id: Uuid) -> HeaderValue {
    HeaderValue::try_from(format!("/lotes/{id}")).unwrap_or_else(|_| HeaderValue::from_static(""))
}
