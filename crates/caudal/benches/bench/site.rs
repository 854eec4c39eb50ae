//! A Redis, a PostgreSQL and roles as processes, and what the system tells of them.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use caudal_ledger::Ledger;
use caudal_queue::{Batch, Chunk, Queue};
use caudal_testkit::{Output, Postgres, Process, Redis, free_port};
use rust_decimal::Decimal;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

const START: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(2);
/// In none of the measurements is anything refused.
pub(crate) const NO_LIMIT: u64 = 1_000_000_000;

/// When Redis writes through to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fsync {
    EverySecond,
    Always,
}

impl Fsync {
    pub(crate) const ALL: [Self; 2] = [Self::EverySecond, Self::Always];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EverySecond => "everysec",
            Self::Always => "always",
        }
    }
}

/// A role's process.
pub(crate) struct Role {
    pub(crate) process: Process,
    pub(crate) address: String,
}

/// A Redis that writes through as told.
pub(crate) async fn redis(fsync: Fsync) -> Result<(Redis, redis::aio::MultiplexedConnection)> {
    let server = Redis::start().await?;
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    let set = ["SET", "appendfsync", fsync.name()];
    let () = redis::cmd("CONFIG").arg(&set).query_async(&mut connection).await?;
    Ok((server, connection))
}

/// A PostgreSQL that writes through, and an empty ledger in it.
pub(crate) async fn postgres() -> Result<(Postgres, String)> {
    let server = Postgres::start_durable().await?;
    let database = server.database().await?;
    ledger(&database)?.migrate().await?;
    Ok((server, database))
}

pub(crate) fn queue(redis: &str) -> Result<Queue> {
    named_queue(redis, "facturas")
}

pub(crate) fn named_queue(redis: &str, name: &str) -> Result<Queue> {
    let client = caudal_redis::Client::new(&caudal_redis::Options { redis_url: redis.to_owned().into() })?;
    Ok(Queue::new(&client, &caudal_queue::Options { queue: name.parse()? }))
}

pub(crate) fn ledger(database: &str) -> Result<Ledger> {
    Ok(Ledger::new(&caudal_ledger::Options { database_url: database.into() })?)
}

/// Starts a role and waits until it is ready. Its logs go nowhere: nothing is measured that logs.
pub(crate) async fn role(name: &str, redis: &str, database: &str) -> Result<Role> {
    let (address, ops) = (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
    let mut command = role_command(name, &ops, redis);
    command.env("DATABASE_URL", database).env("CAUDAL_LISTEN", &address);
    let process = Process::start(&command, Output::File("/dev/null".into()))?;
    process.ready(START, async || ready(&ops).await).await?;
    Ok(Role { process, address })
}

/// What starts a role with its probes at `ops`.
pub(crate) fn role_command(name: &str, ops: &str, redis: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    command.args([name, "--ops-listen", ops]).env("REDIS_URL", redis);
    command.env("CAUDAL_MAX_BACKLOG", NO_LIMIT.to_string());
    command
}

pub(crate) async fn ready(ops: &str) -> Result<(), String> {
    let answer = reqwest::get(format!("http://{ops}/readyz")).await.map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
}

/// The memory that a process holds, in MB.
pub(crate) fn resident(process: i32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}

/// The load average of the last minute.
pub(crate) fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// An invoice like any other; `number` tells it from the others.
pub(crate) fn invoice(number: u32) -> caudal_invoice::Invoice {
    let company = 76_000_000 + number % 1_000 * 4_861;
    caudal_invoice::Invoice {
        number: format!("{:010}", number),
        rut: format!("{company}-{}", caudal_invoice::check_digit(company)),
        amount: Decimal::new(i64::from(number % 100_000_000) + 100, 2),
        issued_on: chrono::NaiveDate::default(),
    }
}

/// The same as JSON, as a client writes it.
pub(crate) fn json(invoices: &[caudal_invoice::Invoice]) -> String {
    let one = |invoice: &caudal_invoice::Invoice| {
        let caudal_invoice::Invoice { number, rut, amount, issued_on } = invoice;
        format!(
            r#"{{"numero_factura":"{number}","rut_cliente":"{rut}","monto":{amount},"fecha_emision":"{issued_on}"}}"#
        )
    };
    format!("[{}]", invoices.iter().map(one).collect::<Vec<_>>().join(","))
}

/// A batch of one chunk.
pub(crate) fn batch(invoices: &[caudal_invoice::Invoice]) -> Batch {
    let (key, other) = (Uuid::new_v4(), Uuid::new_v4());
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(key.as_bytes());
    digest[16..].copy_from_slice(other.as_bytes());
    Batch {
        id: Uuid::new_v4(),
        key: digest,
        fingerprint: caudal_invoice::fingerprint(invoices),
        chunks: vec![Chunk { payload: caudal_invoice::chunk::encode(invoices), count: invoices.len() as u32 }],
        traceparent: None,
        caller: String::new(),
    }
}

/// Admits so many invoices, in batches of `each`.
pub(crate) async fn fill(queue: &Queue, first: u32, count: u32, each: u32) -> Result<()> {
    let batches: Vec<_> = (first..first + count)
        .step_by(each as usize)
        .map(|from| batch(&(from..from + each).map(invoice).collect::<Vec<_>>()))
        .collect();
    for some in batches.chunks(100) {
        for admitted in futures_util::future::join_all(some.iter().map(|batch| queue.admit(batch, NO_LIMIT))).await {
            ensure!(matches!(admitted?, caudal_queue::Admission::Accepted { .. }), "a batch was refused");
        }
    }
    Ok(())
}

/// Returns once nothing waits. Looks often: a whole drain takes a fraction of a second.
pub(crate) async fn drained(queue: &Queue, within: Duration) -> Result<()> {
    let empty = async {
        while queue.backlog().await?.invoices > 0 {
            sleep(LOOK).await;
        }
        Ok(())
    };
    timeout(within, empty).await.context("the queue does not become empty")?
}
