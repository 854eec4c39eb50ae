//! An API to talk to, and the words of its clients.

use std::net::SocketAddr;
use std::time::Duration;

use caudal_api::{Error, Limits, Listeners, OnDuplicate, Options, RutCheck, serve};
use caudal_ledger::Ledger;
use caudal_queue::Queue;
use caudal_telemetry::ops;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Nothing listens there.
pub(crate) const NO_DATABASE: &str = "postgres://127.0.0.1:1/none";

pub(crate) fn options() -> Options {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Options {
        listen: anywhere,
        ops: ops::Options { ops_listen: anywhere },
        max_backlog: 1_000_000,
        api_keys_file: None,
        on_duplicate: OnDuplicate::Conflict,
        rut_check: RutCheck::Lax,
        limits: Limits::default(),
    }
}

pub(crate) fn queue(redis: &str) -> Queue {
    let client = caudal_redis::Client::new(&caudal_redis::Options { redis_url: redis.to_owned().into() }).unwrap();
    Queue::new(&client, &caudal_queue::Options { queue: "facturas".parse().unwrap() })
}

pub(crate) fn ledger(database: &str) -> Ledger {
    Ledger::new(&caudal_ledger::Options { database_url: database.into() }).unwrap()
}

/// A running API and a client of it.
pub(crate) struct Site {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) ops_address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

impl Site {
    pub(crate) async fn start(redis: &str) -> Self {
        Self::start_with(redis, NO_DATABASE, options()).await
    }

    pub(crate) async fn start_with(redis: &str, database: &str, options: Options) -> Self {
        let listeners = Listeners::bind(&options).await.unwrap();
        let (address, ops_address) = (listeners.address(), listeners.ops_address());
        let shutdown = CancellationToken::new();
        let (queue, ledger, token) = (queue(redis), ledger(database), shutdown.clone());
        let task = tokio::spawn(async move { serve(listeners, &options, queue, ledger, token).await });
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { client, address, ops_address, shutdown, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn post(&self, key: &str, body: &Value) -> Response {
        let request = self.client.post(self.url("/facturas/")).header("idempotency-key", key);
        request.json(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        told(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn ops(&self, path: &str) -> (u16, Value) {
        told(self.client.get(format!("http://{}{path}", self.ops_address)).send().await.unwrap()).await
    }

    pub(crate) async fn ops_status(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.ops_address);
        self.client.get(url).send().await.unwrap().status().as_u16()
    }
}

/// Status and JSON of a response.
pub(crate) async fn told(response: Response) -> (u16, Value) {
    assert_eq!(response.headers()["content-type"], "application/json");
    (response.status().as_u16(), response.json().await.unwrap())
}

/// A header as text.
pub(crate) fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// A batch of so many invoices.
pub(crate) fn invoices(count: usize) -> Value {
    (1..=count)
        .map(|number| {
            json!({
                "numero_factura": format!("F-{number}"),
                "rut_cliente": "11111111-1",
                "monto": "1243",
                "fecha_emision": "2025-08-24",
            })
        })
        .collect()
}
