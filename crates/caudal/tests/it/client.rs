//! A client of the service, with invoices of its own making.

use std::time::Duration;

use caudal_testkit::wait;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Longer than any test waits for an answer that should come.
const ANSWER: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

/// An answer to a POST.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
}

impl Client {
    pub(crate) fn new(url: String) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER).build().unwrap();
        Self { http, url }
    }

    pub(crate) async fn post(&self, key: &str, invoices: &Value) -> Answer {
        self.post_with(key, invoices, &[]).await
    }

    pub(crate) async fn post_with(&self, key: &str, invoices: &Value, headers: &[(&str, &str)]) -> Answer {
        let url = format!("{}/facturas/", self.url);
        let mut request = self.http.post(url).header("idempotency-key", key).json(invoices);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        Answer { status: answer.status(), location }
    }

    pub(crate) async fn status(&self, location: &str) -> Value {
        self.http.get(format!("{}{location}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// Waits until the batch is done and returns its status.
    pub(crate) async fn done(&self, answer: &Answer, within: Duration) -> Value {
        let location = answer.location.as_deref().unwrap();
        wait::until("the batch is done", within, async || {
            let status = self.status(location).await;
            let done = !status["terminado_en"].is_null();
            if done { Ok(status) } else { Err(status) }
        })
        .await
        .unwrap()
    }
}

/// This many invoices of one peso and fifty cents each, spread over three clients; `series` keeps the numbers apart.
pub(crate) fn invoices(series: &str, count: usize) -> Value {
    let clients = ["11111111-1", "22222222-2", "33333333-3"];
    let invoice = |(index, client)| json!({"numero_factura": format!("{series}-{index}"), "rut_cliente": client, "monto": 1.5, "fecha_emision": "2025-08-24"});
    (0..count).zip(clients.into_iter().cycle()).map(invoice).collect()
}
