//! The API as its client sees it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use uuid::Uuid;

use super::answer::{self, Answer};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// Where an API is.
#[derive(Clone, Debug)]
pub(super) struct ApiUrl(String);

impl FromStr for ApiUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.map(|url| Self(url.as_str().trim_end_matches('/').to_owned()))
            .ok_or("an address such as http://localhost:8000")
    }
}

/// A key that the API knows its client by. It is never shown.
#[derive(Clone)]
pub(super) struct ApiKey(String);

impl From<String> for ApiKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(..)")
    }
}

impl ApiKey {
    fn header(&self) -> anyhow::Result<HeaderValue> {
        let visible = Some(&self.0).filter(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()));
        let value = visible.and_then(|key| HeaderValue::try_from(format!("Bearer {key}")).ok());
        let mut value = value.context("CAUDAL_API_KEY: given another text, allowed visible ASCII characters")?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// How far a batch is, as `GET /lotes/{id}` tells.
#[derive(Debug, Deserialize)]
pub(super) struct Lote {
    pub(super) recibidas: u64,
    pub(super) registradas: u64,
    pub(super) sin_cambios: u64,
    /// At most 1,000 of them.
    pub(super) rechazadas: Vec<Rechazada>,
    pub(super) terminado_en: Option<String>,
}

/// An invoice that could not be recorded.
#[derive(Debug, Deserialize)]
pub(super) struct Rechazada {
    pub(super) posicion: usize,
    pub(super) motivo: String,
}

/// One API.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// Connects nothing yet.
    pub(super) fn new(url: &ApiUrl, key: Option<&ApiKey>) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, key.header()?);
        }
        let http = reqwest::Client::builder().timeout(ANSWER).connect_timeout(CONNECT).default_headers(headers);
        Ok(Self { http: http.build()?, url: url.0.clone() })
    }

    /// Posts a batch under its key.
    pub(super) async fn post(&self, key: &str, body: String) -> Answer {
        let request = self.http.post(format!("{}/facturas/", self.url));
        let request = request.header("idempotency-key", key).header(CONTENT_TYPE, "application/json").body(body);
        match fetch(request).await {
            Ok((status, headers, body)) => answer::read(status, &headers, &body),
            Err(error) => Answer::Later { after: None, reason: cause(error) },
        }
    }

    /// How far a batch is; none where the API does not know it (any more), an error where it may tell later.
    pub(super) async fn lote(&self, id: Uuid) -> Result<Option<Lote>, String> {
        let (status, headers, body) = fetch(self.http.get(format!("{}/lotes/{id}", self.url))).await.map_err(cause)?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => serde_json::from_str(&body).map(Some).map_err(|error| error.to_string()),
            _ => Err(match answer::read(status, &headers, &body) {
                Answer::Later { reason, .. } | Answer::Hopeless(reason) | Answer::Refused(reason) => reason,
                other => format!("{other:?}"),
            }),
        }
    }
}

async fn fetch(request: reqwest::RequestBuilder) -> reqwest::Result<(StatusCode, HeaderMap, String)> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok((status, headers, answer.text().await?))
}

/// The last of an error's causes says it in the fewest words.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "the API does not answer".to_owned();
    }
    let error = anyhow::Error::from(error.without_url());
    format!("the API cannot be reached: {}", error.root_cause())
}
