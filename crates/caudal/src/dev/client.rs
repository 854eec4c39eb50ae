//! A client of the service, as an integrator would write one.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use serde_json::Value;

use super::sample::Request;

/// How often a batch's progress is asked for.
const POLL: Duration = Duration::from_millis(100);

/// Talks to one API.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    ops_url: String,
}

/// How far a batch has come, in invoices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Recorded, unchanged or rejected.
    pub(super) settled: u64,
    /// Rejected alone.
    pub(super) rejected: u64,
    /// Whether nothing is left to do.
    pub(super) done: bool,
}

impl Client {
    /// For the API at `url` whose ops port is at `ops_url`.
    pub(super) fn new(url: String, ops_url: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { http, url, ops_url })
    }

    /// Where everything is found, for people.
    pub(super) fn urls(&self) -> String {
        format!(
            "\nAPI       {url}/facturas/\nbatches   {url}/lotes/{{id}}\nbalances  {ops}/clientes/{{rut}}\nhealth    {ops}/readyz",
            url = self.url,
            ops = self.ops_url
        )
    }

    /// Returns once the API is ready.
    pub(super) async fn wait_until_ready(&self) {
        let url = format!("{}/readyz", self.ops_url);
        while !self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Posts a request under the key and returns where its batch can be followed.
    pub(super) async fn post(&self, request: &Request, key: &str) -> anyhow::Result<String> {
        let answer = self.send(request, key).await?;
        let (status, location) = (answer.status(), answer.headers().get(LOCATION).cloned());
        ensure!(status == StatusCode::ACCEPTED, "«{}» was answered {status}: {}", request.name, answer.text().await?);
        Ok(location.context("the answer names no batch")?.to_str()?.to_owned())
    }

    /// Posts a request again under its key and expects to hear that it is known.
    pub(super) async fn post_again(&self, request: &Request, key: &str) -> anyhow::Result<()> {
        let status = self.send(request, key).await?.status();
        ensure!(status == StatusCode::CONFLICT, "«{}», repeated, was answered {status}", request.name);
        Ok(())
    }

    async fn send(&self, request: &Request, key: &str) -> anyhow::Result<reqwest::Response> {
        let url = format!("{}/facturas/", self.url);
        let sent = self.http.post(url).header("idempotency-key", key).json(&request.body).send();
        sent.await.with_context(|| format!("«{}» was not answered", request.name))
    }

    /// How far the batch at this location has come.
    pub(super) async fn progress(&self, location: &str) -> anyhow::Result<Progress> {
        let status: Value = self.http.get(format!("{}{location}", self.url)).send().await?.json().await?;
        let count = |field: &str| status[field].as_u64().unwrap_or(0);
        let rejected = status["rechazadas"].as_array().map_or(0, |rejected| rejected.len() as u64);
        let done = match status["estado"].as_str() {
            Some("procesado" | "con_errores") => true,
            Some("encolado" | "procesando") => false,
            _ => bail!("{location} has no state: {status}"),
        };
        Ok(Progress { settled: count("registradas") + count("sin_cambios") + rejected, rejected, done })
    }

    /// Waits until the batch is done, telling `seen` its progress, and returns how many of its invoices were rejected.
    pub(super) async fn follow(&self, location: &str, mut seen: impl FnMut(u64)) -> anyhow::Result<u64> {
        loop {
            let progress = self.progress(location).await?;
            seen(progress.settled);
            if progress.done {
                return Ok(progress.rejected);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
