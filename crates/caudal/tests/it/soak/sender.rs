//! A client that never gives up, and what the ledger must hold because of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use caudal_invoice::check_digit;
use fastrand::Rng;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Longer than an API takes to answer that Redis is away; a stopped one is given up.
const ANSWER: Duration = Duration::from_secs(8);
/// Between two requests of one client, in milliseconds.
const PAUSE: std::ops::Range<u64> = 5..100;
/// Companies that all clients of the service send invoices of, so that their workers meet.
const COMPANIES: u32 = 25;

/// An invoice's key in the ledger.
pub(super) type Key = (String, String);

/// What a client knows to be true.
#[derive(Default)]
pub(super) struct Knowledge {
    /// Of every accepted invoice the newest amount, in ten-thousandths.
    pub(super) amounts: HashMap<Key, i64>,
    /// Where every accepted batch can be followed, and its size.
    pub(super) batches: BTreeMap<String, usize>,
    /// How often each kind of answer was heard.
    pub(super) answers: BTreeMap<String, u64>,
    /// When batches were accepted.
    pub(super) accepted: Vec<Instant>,
    /// Answers that no fault excuses.
    pub(super) wrong: Vec<String>,
}

/// One client of the service, who speaks to all its APIs.
pub(super) struct Sender {
    name: String,
    random: Rng,
    http: reqwest::Client,
    urls: Vec<String>,
    /// The invoices that may be corrected: those of which the newest amount is known.
    known: Vec<Key>,
    sent: usize,
    knowledge: Knowledge,
}

impl Sender {
    pub(super) fn new(name: String, seed: u64, urls: Vec<String>) -> Self {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(1)).build().unwrap();
        Self {
            name,
            random: Rng::with_seed(seed),
            http,
            urls,
            known: Vec::new(),
            sent: 0,
            knowledge: Knowledge::default(),
        }
    }

    /// Sends batches, each until it is accepted, until `over`.
    pub(super) async fn run(mut self, over: CancellationToken) -> Knowledge {
        for number in 0.. {
            if over.is_cancelled() {
                break;
            }
            let batch = self.batch();
            let (key, body) = (format!("{}/{number}", self.name), body(&mut self.random, &batch));
            self.deliver(&key, &body, batch.len()).await;
            for (key, amount) in batch {
                if self.knowledge.amounts.insert(key.clone(), amount).is_none() {
                    self.known.push(key);
                }
            }
            sleep(Duration::from_millis(self.random.u64(PAUSE))).await;
        }
        self.knowledge
    }

    /// Mostly one invoice, sometimes a few, rarely hundreds; every fifth corrects one that was accepted.
    fn batch(&mut self) -> Vec<(Key, i64)> {
        let size = match self.random.u8(0..50) {
            0 => self.random.usize(100..=600),
            1..=12 => self.random.usize(2..=20),
            _ => 1,
        };
        (0..size).map(|_| (self.key(), self.random.i64(1..100_000_000))).collect()
    }

    fn key(&mut self) -> Key {
        if !self.known.is_empty() && self.random.u8(0..5) == 0 {
            let chosen = self.random.usize(0..self.known.len());
            return self.known[chosen].clone();
        }
        self.sent += 1;
        let company = 76_000_000 + self.random.u32(0..COMPANIES) * 48_611;
        (format!("{company}-{}", check_digit(company)), format!("{}-{}", self.name, self.sent))
    }

    async fn deliver(&mut self, key: &str, body: &str, size: usize) {
        loop {
            let url = self.random.choice(&self.urls).unwrap().clone();
            let request = self.http.post(url).header("idempotency-key", key).header("content-type", "application/json");
            // Some hang up early, so that whether the batch was accepted is open.
            let patience =
                if self.random.u8(0..20) == 0 { Duration::from_millis(self.random.u64(..15)) } else { ANSWER };
            let (heard, place) = match request.body(body.to_owned()).timeout(patience).send().await {
                Ok(answer) => {
                    let place = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
                    (answer.status().as_u16().to_string(), place)
                }
                Err(error) if error.is_timeout() => ("no answer in time".to_owned(), None),
                Err(_) => ("connection lost".to_owned(), None),
            };
            *self.knowledge.answers.entry(heard.clone()).or_default() += 1;
            match (heard.as_str(), place) {
                ("202" | "409", Some(place)) => {
                    self.knowledge.batches.insert(place, size);
                    self.knowledge.accepted.push(Instant::now());
                    return;
                }
                ("503" | "429" | "no answer in time" | "connection lost", _) => {}
                (other, place) => self.knowledge.wrong.push(format!("{key}: {other}, location {place:?}")),
            }
            sleep(Duration::from_millis(self.random.u64(PAUSE))).await;
        }
    }
}

/// The batch as JSON; some write a RUT with dots.
fn body(random: &mut Rng, batch: &[(Key, i64)]) -> String {
    let mut body = String::from("[");
    for ((rut, number), amount) in batch {
        let separator = if body.len() > 1 { "," } else { "" };
        let rut = if random.u8(0..4) == 0 { with_dots(rut) } else { rut.clone() };
        let (whole, decimals) = (amount / 10_000, amount % 10_000);
        write!(
            body,
            r#"{separator}{{"numero_factura":"{number}","rut_cliente":"{rut}","monto":{whole}.{decimals:04},"fecha_emision":"2025-08-24"}}"#
        )
        .unwrap();
    }
    body + "]"
}

fn with_dots(rut: &str) -> String {
    [&rut[..2], ".", &rut[2..5], ".", &rut[5..]].concat()
}
