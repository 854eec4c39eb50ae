//! What the API's answer to a batch asks of its sender.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// Where the API is set to replay, it tells a batch that it took before by this header.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What the API's answer to a batch means.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// The batch is kept, now (202) or since an earlier run (409, or the first 202 replayed).
    Accepted {
        /// Where it can be followed; nowhere when the original service had taken it.
        batch: Option<Uuid>,
        /// Whether an earlier run had sent it.
        earlier: bool,
    },
    /// These elements, by position, are wrong.
    Invalid(Vec<(usize, Complaint)>),
    /// The batch is not taken as it is, in these words.
    Refused(String),
    /// Nothing is decided: the same must be sent again, and not before this time.
    Later {
        /// How long the API asks to wait.
        after: Option<Duration>,
        /// Why, in words.
        reason: String,
    },
    /// No batch can be sent, in these words.
    Hopeless(String),
}

/// What is wrong with one field of an invoice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Complaint {
    /// The field, unless it is the whole invoice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// What is wrong, in words.
    pub(super) message: String,
    /// What was given, unless it is the whole invoice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) given: Option<Value>,
}

/// Reads an answer.
pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &str) -> Answer {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match status {
        StatusCode::ACCEPTED | StatusCode::CONFLICT => {
            let batch = text(LOCATION).and_then(|place| place.rsplit('/').next()?.parse().ok());
            let earlier = status == StatusCode::CONFLICT || text(REPLAYED) == Some("true");
            Answer::Accepted { batch, earlier }
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            invalid(body).map_or_else(|| Answer::Refused(told(status, body)), Answer::Invalid)
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Answer::Refused(told(status, body)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Answer::Hopeless(format!("{} (CAUDAL_API_KEY)", told(status, body)))
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Answer::Later { after: wait(text(RETRY_AFTER)), reason: told(status, body) }
        }
        _ if status.is_server_error() => Answer::Later { after: wait(text(RETRY_AFTER)), reason: told(status, body) },
        _ => Answer::Hopeless(format!("{} (is --url right?)", told(status, body))),
    }
}

fn wait(seconds: Option<&str>) -> Option<Duration> {
    seconds?.trim().parse().ok().map(Duration::from_secs)
}

/// The answer in one line.
fn told(status: StatusCode, body: &str) -> String {
    const LONGEST: usize = 200;
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let words = json["detail"].as_str().unwrap_or(body).trim();
    match words.lines().next() {
        None => format!("the API answers {status}"),
        Some(line) => format!("the API answers {status}: {}", line.chars().take(LONGEST).collect::<String>()),
    }
}

/// The complaints of a 422, if every one of them is about an element.
fn invalid(body: &str) -> Option<Vec<(usize, Complaint)>> {
    let json: Value = serde_json::from_str(body).ok()?;
    let complaints = json["detail"].as_array()?;
    complaints.iter().map(complaint).collect::<Option<Vec<_>>>().filter(|complaints| !complaints.is_empty())
}

fn complaint(entry: &Value) -> Option<(usize, Complaint)> {
    // The place of a syntax error is a character, not an element.
    if entry["type"] == "json_invalid" || entry["loc"][0] != "body" {
        return None;
    }
    let element = entry["loc"][1].as_u64()?;
    let field = entry["loc"][2].as_str().map(str::to_owned);
    let given = (field.is_some() && entry["type"] != "missing").then(|| entry["input"].clone());
    let message = entry["msg"].as_str()?.to_owned();
    Some((usize::try_from(element).ok()?, Complaint { field, message, given }))
}

#[cfg(test)]
mod tests;
