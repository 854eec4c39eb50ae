//! The recorded requests, and the original service's own answers to them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caudal_testkit::Redis;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::site::{Site, header};

const CASES: &str = include_str!("compat/cases.json");
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
            body: (!self.body.is_empty()).then(|| serde_json::from_str(&self.body).unwrap()),
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
    let body = (!body.is_empty()).then(|| serde_json::from_slice(&body).unwrap());
    Noticed { status, content_type, allow, location, body }
}

#[tokio::test]
async fn every_recorded_request_is_answered_as_the_original_did() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(!cases.is_empty());
    let mut differing = Vec::new();
    for case in &cases {
        let (noticed, expected) =
            (replay(&site, &case.request).await, case.response.noticed(&site.address.to_string()));
        if noticed != expected {
            differing.push(format!("{}: {noticed:?}, recorded {expected:?}", case.name));
        }
    }
    assert!(differing.is_empty(), "{} of {} differ:\n{}", differing.len(), cases.len(), differing.join("\n"));
}
