//! The recorded requests, and the original service's own answers to them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caudal_testkit::Redis;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::site::{Site, header};

const RECORDED: &str = include_str!("compat/cases.json");
/// Made by chance from what clients may send and may garble, and answered by the original's own libraries. `COMPAT_CASES` names a
/// file of more, as `compat/original.py` makes them.
const GENERATED: &str = include_str!("compat/generated.json");
/// Where the original listened when it was recorded.
const RECORDED_HOST: &str = "localhost:8010";

#[derive(Deserialize)]
struct Case {
    name: String,
    request: Request,
    response: Recorded,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body_base64: String,
}

#[derive(Deserialize)]
struct Recorded {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// What a client notices of an answer.
#[derive(Debug, PartialEq)]
struct Noticed {
    status: u16,
    content_type: Option<String>,
    allow: Option<String>,
    location: Option<String>,
    body: Option<Value>,
}

impl Recorded {
    fn noticed(&self, host: &str) -> Noticed {
        let header = |name: &str| self.headers.get(name).cloned();
        Noticed {
            status: self.status,
            content_type: header("content-type"),
            allow: header("allow"),
            location: header("location").map(|location| location.replace(RECORDED_HOST, host)),
            body: json(self.body.as_bytes()),
        }
    }
}

async fn replay(site: &Site, request: &Request) -> Noticed {
    let method = request.method.parse().unwrap();
    let mut sent = site.client.request(method, site.url(&request.path));
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    let answer = sent.body(BASE64_STANDARD.decode(&request.body_base64).unwrap()).send().await.unwrap();
    let text = |name| header(&answer, name).map(str::to_owned);
    // A batch's own address is what 202 and 409 carry beside what the original did.
    let is_redirect = answer.status().is_redirection();
    let (status, content_type, allow) = (answer.status().as_u16(), text("content-type"), text("allow"));
    let location = text("location").filter(|_| is_redirect);
    let body = answer.bytes().await.unwrap();
    Noticed { status, content_type, allow, location, body: json(&body) }
}

fn json(body: &[u8]) -> Option<Value> {
    (!body.is_empty()).then(|| spelled_alike(serde_json::from_slice(body).unwrap()))
}

/// Python repeats `-0` as 0 and `1e2` as 100.0; here a number is repeated as it was sent.
fn spelled_alike(value: Value) -> Value {
    match value {
        Value::Number(number) => (number.as_f64().unwrap() + 0.0).into(),
        Value::Array(values) => values.into_iter().map(spelled_alike).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, spelled_alike(value))).collect(),
        other => other,
    }
}

/// What is answered otherwise on purpose: 422 where the original failed, and what these rules refuse, which it did not have.
fn is_declared(noticed: &Noticed, expected: &Noticed) -> bool {
    const OURS: [&str; 4] = ["finite_number", "decimal_whole_digits", "string_unicode", "string_too_long"];
    let entries =
        |of: &Noticed| of.body.as_ref().and_then(|body| body["detail"].as_array().cloned()).unwrap_or_default();
    let mut told = entries(noticed);
    let all = told.len();
    told.retain(|entry| !OURS.iter().any(|rule| entry["type"] == *rule));
    noticed.status == 422 && (expected.status == 500 || told.len() < all && told == entries(expected))
}

async fn replay_all(cases: &str) {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let host = site.address.to_string();
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    assert!(!cases.is_empty());
    let mut differing = Vec::new();
    for case in &cases {
        let (noticed, expected) = (replay(&site, &case.request).await, case.response.noticed(&host));
        if noticed != expected && !is_declared(&noticed, &expected) {
            let asked =
                String::from_utf8_lossy(&BASE64_STANDARD.decode(&case.request.body_base64).unwrap()).into_owned();
            let headers = &case.request.headers;
            differing.push(format!("{}: {headers:?} {asked}\n{noticed:?}, recorded {expected:?}", case.name));
        }
    }
    assert!(differing.is_empty(), "{} of {} differ:\n{}", differing.len(), cases.len(), differing.join("\n"));
}

#[tokio::test]
async fn every_recorded_request_is_answered_as_the_original_did() {
    replay_all(RECORDED).await;
}

#[tokio::test]
async fn every_generated_request_is_answered_as_the_original_did() {
    match std::env::var_os("COMPAT_CASES") {
        Some(file) => replay_all(&std::fs::read_to_string(file).unwrap()).await,
        None => replay_all(GENERATED).await,
    }
}
