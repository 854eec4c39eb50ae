//! A Celery message (protocol 2, JSON) as the original sends it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caudal_invoice::{Invoice, MAX_BATCH, Refusal, RutCheck, parse_batch};
use caudal_queue::Message;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The original's one task.
const TASK: &str = "worker.procesar_lote_facturas";

/// A batch that the original accepted.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: String,
    /// Its invoices, in parts that fit into a batch.
    pub(super) parts: Vec<Vec<Invoice>>,
}

/// Why a message stays where it is. The text holds nothing of an invoice.
#[derive(Debug)]
pub(super) struct Unread {
    /// The task's id, where it can be told.
    pub(super) task: Option<String>,
    pub(super) reason: String,
}

#[derive(Deserialize)]
struct Envelope {
    body: String,
    headers: Headers,
    #[serde(rename = "content-type")]
    content_type: String,
    properties: Properties,
}

#[derive(Deserialize)]
struct Headers {
    task: String,
    id: String,
}

#[derive(Deserialize)]
struct Properties {
    body_encoding: String,
}

/// Positional arguments, named ones, and what concerns Celery alone.
#[derive(Deserialize)]
struct Body(Vec<Box<RawValue>>, Map<String, Value>, #[expect(dead_code, reason = "Celery's own")] Value);

/// Reads a message.
pub(super) fn read(message: &Message) -> Result<Task, Unread> {
    let envelope = envelope(message).map_err(|reason| Unread { task: None, reason })?;
    let id = envelope.headers.id.clone();
    match parts(&envelope) {
        Ok(parts) => Ok(Task { id, parts }),
        Err(reason) => Err(Unread { task: Some(id), reason }),
    }
}

fn envelope(message: &Message) -> Result<Envelope, String> {
    let text = if message.is_taken() {
        let wrapped: Result<(Box<RawValue>, Value, Value), _> = serde_json::from_slice(&message.bytes);
        wrapped.map(|(inner, ..)| inner.get().as_bytes().to_vec())
    } else {
        Ok(message.bytes.clone())
    };
    text.and_then(|text| serde_json::from_slice(&text)).map_err(|_| "it is no Celery message of protocol 2".to_owned())
}

fn parts(envelope: &Envelope) -> Result<Vec<Vec<Invoice>>, String> {
    let Envelope { body, headers, content_type, properties } = envelope;
    if headers.task != TASK {
        return Err(format!("it is for another task, {:?}", headers.task));
    }
    if content_type != "application/json" || properties.body_encoding != "base64" {
        return Err(format!("its body is {content_type:?} in {:?}, not JSON in Base64", properties.body_encoding));
    }
    let body = BASE64_STANDARD.decode(body).map_err(|_| "its body is not Base64".to_owned())?;
    let Body(arguments, named, _) =
        serde_json::from_slice(&body).map_err(|_| "its body is not what Celery sends".to_owned())?;
    let ([list], true) = (arguments.as_slice(), named.is_empty()) else {
        return Err("it has other arguments than one list of invoices".to_owned());
    };
    let invoices: Vec<Box<RawValue>> =
        serde_json::from_str(list.get()).map_err(|_| "its argument is not a list of invoices".to_owned())?;
    // An empty list is a batch too.
    let pieces: Vec<&[Box<RawValue>]> =
        if invoices.is_empty() { vec![&[]] } else { invoices.chunks(MAX_BATCH).collect() };
    pieces.iter().enumerate().map(|(number, piece)| part(piece, number * MAX_BATCH)).collect()
}

fn part(piece: &[Box<RawValue>], first: usize) -> Result<Vec<Invoice>, String> {
    let texts: Vec<_> = piece.iter().map(|invoice| invoice.get()).collect();
    let text = format!("[{}]", texts.join(","));
    // What the original accepted is not asked for its check digit.
    parse_batch(Some("application/json"), text.as_bytes(), RutCheck::Lax).map_err(|refusal| reason(&refusal, first))
}

/// The first complaint, without what it complains about.
fn reason(refusal: &Refusal, first: usize) -> String {
    let complaint = match refusal {
        Refusal::Invalid(complaints) => complaints.first().and_then(|complaint| serde_json::to_value(complaint).ok()),
        _ => None,
    };
    let Some(complaint) = complaint else { return "its invoices cannot be read".to_owned() };
    let place = complaint["loc"][1].as_u64().unwrap_or_default() + first as u64;
    let field = complaint["loc"][2].as_str().map(|field| format!(", {field}")).unwrap_or_default();
    format!("invoice {place} of it, from 0{field}: {}", complaint["msg"].as_str().unwrap_or_default())
}
