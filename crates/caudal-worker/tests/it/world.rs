//! A queue, a ledger, batches for the one and a look into the other.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use caudal_invoice::{Invoice, chunk};
use caudal_ledger::{Client, Ledger};
use caudal_queue::{Admission, Batch, Chunk, Queue, Status};
use caudal_testkit::{Postgres, Redis, programs, wait};
use caudal_worker::{Handler, LedgerHandler, Worker};
use chrono::NaiveDate;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A lease in these tests: short, so that a death is noticed soon.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
pub(crate) const RUT: &str = "11111111-1";

pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    pub(crate) database: String,
    pub(crate) queue: Queue,
    pub(crate) ledger: Ledger,
}

/// A transaction somebody has left open.
pub(crate) struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

/// A worker at work.
pub(crate) struct Running {
    pub(crate) probes: caudal_telemetry::ops::Probes,
    pub(crate) task: JoinHandle<()>,
    pub(crate) shutdown: CancellationToken,
}

impl World {
    pub(crate) async fn start() -> Self {
        let redis = Redis::start().await.unwrap();
        let postgres = Postgres::start().await.unwrap();
        let database = postgres.database().await.unwrap();
        let ledger = Ledger::new(&caudal_ledger::Options { database_url: database.as_str().into() }).unwrap();
        ledger.migrate().await.unwrap();
        let options = caudal_redis::Options { redis_url: redis.url().into() };
        let client = caudal_redis::Client::new(&options).unwrap();
        let options = caudal_queue::Options { queue: "facturas".parse().unwrap() };
        let queue = Queue::new(&client, &options).with_lease(LEASE);
        Self { redis, postgres, database, queue, ledger }
    }

    pub(crate) fn handler(&self) -> LedgerHandler {
        LedgerHandler::new(self.ledger.clone())
    }

    /// Starts a worker that records in the ledger.
    pub(crate) fn worker(&self) -> Running {
        self.worker_with(self.handler())
    }

    pub(crate) fn worker_with(&self, handler: impl Handler) -> Running {
        let worker = Worker::new(&self.queue, "test", handler);
        let shutdown = CancellationToken::new();
        Running { probes: worker.probes(), task: tokio::spawn(worker.run(shutdown.clone())), shutdown }
    }

    /// Admits the invoices in chunks of this size.
    pub(crate) async fn admit(&self, invoices: &[Invoice], chunk_size: usize) -> Uuid {
        let chunk = |part: &[Invoice]| Chunk { payload: chunk::encode(part), count: part.len() as u32 };
        self.admit_chunks(invoices.chunks(chunk_size).map(chunk).collect()).await
    }

    pub(crate) async fn admit_chunks(&self, chunks: Vec<Chunk>) -> Uuid {
        let id = Uuid::new_v4();
        let mut key = [0; 32];
        key[..16].copy_from_slice(id.as_bytes());
        let batch = Batch { id, key, fingerprint: [0; 32], chunks, traceparent: None, caller: String::new() };
        assert_eq!(self.queue.admit(&batch, 1_000_000).await.unwrap(), Admission::Accepted { id });
        id
    }

    /// The batch's status once its last invoice is settled.
    pub(crate) async fn finished(&self, batch: Uuid) -> Status {
        wait::until("the batch is finished", Duration::from_secs(30), async || {
            let status = self.queue.status(batch).await.map_err(|error| format!("{error:?}"))?;
            status.filter(|status| status.finished_at.is_some()).ok_or_else(|| "not yet".to_owned())
        })
        .await
        .unwrap()
    }

    /// Has psql do it: the crate under test knows no SQL.
    pub(crate) fn sql(&self, command: &str) {
        let psql = Command::new(programs::find("psql").unwrap())
            .args(["--quiet", "--command", command, &self.database])
            .status()
            .unwrap();
        assert!(psql.success());
    }

    /// A session that has begun a transaction with this command, which prints a row, and keeps it open until it is dropped.
    pub(crate) fn session(&self, command: &str) -> Session {
        let mut psql = Command::new(programs::find("psql").unwrap())
            .args(["--quiet", "--tuples-only", &self.database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(psql.stdin.as_mut().unwrap(), "BEGIN; {command};").unwrap();
        let mut row = String::new();
        BufReader::new(psql.stdout.as_mut().unwrap()).read_line(&mut row).unwrap();
        assert!(!row.is_empty());
        Session(psql)
    }

    pub(crate) async fn client(&self, rut: &str) -> Client {
        self.ledger.client(rut, "", 1).await.unwrap().unwrap()
    }
}

impl Running {
    /// Ends the worker as a signal would, and waits for it.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    /// Ends it as a crash would: nothing is finished or given back.
    pub(crate) async fn crash(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

/// `count` invoices of one peso each, all of one client.
pub(crate) fn invoices(count: usize) -> Vec<Invoice> {
    (0..count).map(|number| invoice(&format!("F{number}"), "1")).collect()
}

pub(crate) fn invoice(number: &str, amount: &str) -> Invoice {
    Invoice {
        number: number.to_owned(),
        rut: RUT.to_owned(),
        amount: amount.parse().unwrap(),
        issued_on: NaiveDate::from_ymd_opt(2024, 1, 31).unwrap(),
    }
}
