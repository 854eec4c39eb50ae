//! The API as its clients see it.

use std::time::Duration;

use anyhow::Result;
use caudal_testkit::wait;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde_json::Value;

use super::RECORDED;
use super::sample::Batch;

/// How long the API may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// A client of one Caudal.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: &'static str,
}

/// What was answered to a batch.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Where the batch can be watched.
    pub location: Option<String>,
    /// The body as text.
    pub body: String,
}

impl Client {
    /// A client of the API at `base`, which has no slash at its end, once a Service leads there: its rules follow the pods' readiness.
    pub(crate) async fn reaching(base: &'static str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER).no_proxy().build()?;
        wait::until("the Service leads to the API", RECORDED, async || http.get(base).send().await).await?;
        Ok(Self { http, base })
    }

    /// Sends a batch.
    pub(crate) async fn post(&self, batch: &Batch) -> Result<Answer> {
        let request = self.http.post(format!("{}/facturas/", self.base));
        let request = request.header(CONTENT_TYPE, "application/json").header("Idempotency-Key", &batch.key);
        let response = request.body(batch.body.clone()).send().await?;
        let location = response.headers().get(LOCATION).and_then(|place| place.to_str().ok()).map(ToOwned::to_owned);
        Ok(Answer { status: response.status().as_u16(), location, body: response.text().await? })
    }

    /// The batch at `place` once its last invoice is settled.
    ///
    /// # Errors
    /// What was seen instead.
    pub(crate) async fn finished(&self, place: &str) -> Result<Value, String> {
        let lote: Value = async { self.http.get(format!("{}{place}", self.base)).send().await?.json().await }
            .await
            .map_err(|error: reqwest::Error| error.to_string())?;
        if lote["terminado_en"].is_string() { Ok(lote) } else { Err(lote.to_string()) }
    }
}
