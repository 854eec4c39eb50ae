//! How fast a worker drains a queue, beside the same statements alone.

use std::time::{Duration, Instant};

use anyhow::Result;
use caudal_ledger::Entry;
use caudal_queue::{Lease, Settlement};
use chrono::Utc;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::sleep;
use uuid::Uuid;

use crate::cost::{Costs, Meter};
use crate::site::{self, Fsync, drained, fill, invoice, ledger, queue};
use crate::table::{Aim, Row, median};

/// Invoices of one measurement.
const COUNT: u32 = 10_000;
/// How many invoices a worker records in one transaction.
const SET: usize = 1_000;
const ROUNDS: usize = 5;
/// As long as a batch's.
const STATUS: &str = "1 1 0 0 1790000000000 1790000000000 ";
const LONG: Duration = Duration::from_secs(120);
const TURN: Duration = Duration::from_millis(500);

/// Every size of table and of chunk; and what keeps any worker from the rate of the statements alone on the same machine.
pub(crate) async fn all() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (rows_before, size) in [(10_000, "10^4"), (1_000_000, "10^6")] {
        let (postgres, template) = site::postgres().await?;
        prepare(&template, rows_before).await?;
        for each in [1, 100] {
            let (mut drains, mut floors, mut limits) = (Vec::new(), Vec::new(), [const { Vec::new() }; 2]);
            let mut costs = Costs::default();
            for round in 0..ROUNDS {
                let copy = copy(&postgres, &template, &format!("floor_{each}_{round}")).await?;
                floors.push(alone(&copy, rows_before).await?);
                for (limit, rates) in Limit::ALL.iter().zip(&mut limits) {
                    let copy =
                        self::copy(&postgres, &template, &format!("{limit:?}_{each}_{round}").to_lowercase()).await?;
                    rates.push(limit.measure(&copy, rows_before, each).await?);
                }
                let copy = self::copy(&postgres, &template, &format!("drain_{each}_{round}")).await?;
                drains.push(drain(&copy, rows_before, each, (&mut costs, postgres.id())).await?);
            }
            let floor = Some((median(floors), "the statements alone"));
            rows.push(Row {
                name: format!("drain, chunks of {each}, {size} rows"),
                figure: (median(drains), "invoices/s"),
                floor,
                aim: Aim::Least(0.8),
                costs: costs.each(),
            });
            for (limit, rates) in Limit::ALL.iter().zip(limits) {
                rows.push(Row {
                    name: format!("the statements beside {}, chunks of {each}", limit.name()),
                    figure: (median(rates), "invoices/s"),
                    floor,
                    aim: Aim::None,
                    costs: Vec::new(),
                });
            }
        }
    }
    Ok(rows)
}

/// Fills the ledger with so many invoices.
async fn prepare(database: &str, rows: u32) -> Result<()> {
    let ledger = ledger(database)?;
    for first in (0..rows).step_by(SET) {
        ledger.record(&entries(first, SET as u32)).await?;
    }
    ledger.close().await;
    let mut connection = PgConnection::connect(database).await?;
    connection.execute("VACUUM ANALYZE").await?;
    connection.execute("CHECKPOINT").await?;
    Ok(connection.close().await?)
}

/// A database like the template, which nobody may be connected to.
async fn copy(postgres: &caudal_testkit::Postgres, template: &str, name: &str) -> Result<String> {
    let maintenance = postgres.named_database("maintenance").await?;
    let mut connection = PgConnection::connect(&maintenance).await?;
    let template = template.rsplit('/').next().unwrap_or_default();
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
    connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    connection.execute("CHECKPOINT").await?;
    connection.close().await?;
    Ok(maintenance.replace("maintenance", name))
}

fn entries(first: u32, count: u32) -> Vec<Entry> {
    let batch = Uuid::new_v4();
    let entry = |number| Entry { invoice: invoice(number), version: i64::from(number), batch, received_at: Utc::now() };
    (first..first + count).map(entry).collect()
}

/// Invoices a second by the statements that a worker runs, in sets of the same size, one after the other.
async fn alone(database: &str, first: u32) -> Result<f64> {
    let ledger = ledger(database)?;
    ledger.ready().await?;
    let entries = entries(first, COUNT);
    let begun = Instant::now();
    for set in entries.chunks(SET) {
        ledger.record(set).await?;
    }
    let rate = f64::from(COUNT) / begun.elapsed().as_secs_f64();
    ledger.close().await;
    Ok(rate)
}

/// What runs beside the statements, and takes from them what any worker takes.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// As many bare commands of Redis as a queue in it needs: a read by a group and, for each set, its chunks' statuses read and
    /// written, its entries acknowledged and deleted.
    Bare,
    /// The calls that a worker of Caudal's queue makes, without a worker.
    Queue,
}

impl Limit {
    const ALL: [Self; 2] = [Self::Bare, Self::Queue];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare commands",
            Self::Queue => "the queue's calls",
        }
    }

    /// Invoices a second of the slower of both.
    async fn measure(self, database: &str, first: u32, each: u32) -> Result<f64> {
        match self {
            Self::Bare => beside(bare(each).await?, database, first).await,
            Self::Queue => beside(calls(each).await?, database, first).await,
        }
    }
}

/// The statements, and on another thread a task that deals with as many invoices.
async fn beside(
    other: impl Future<Output = Result<Duration>> + Send + 'static,
    database: &str,
    first: u32,
) -> Result<f64> {
    let other = tokio::spawn(other);
    let alone = alone(database, first).await?;
    Ok(alone.min(f64::from(COUNT) / other.await??.as_secs_f64()))
}

/// What drains a full queue by its own calls, a set after the other.
async fn calls(each: u32) -> Result<impl Future<Output = Result<Duration>> + Send + 'static> {
    let (redis, _connection) = site::redis(Fsync::Always).await?;
    let queue = queue(&redis.url())?;
    fill(&queue, 0, COUNT, each).await?;
    Ok(async move {
        let _redis = redis;
        let mut consumer = queue.consumer("bench");
        let begun = Instant::now();
        let mut left = COUNT;
        while left > 0 {
            let leases = consumer.lease(SET / each as usize, TURN).await?;
            let recorded = |lease: &Lease| Settlement { recorded: lease.count, ..Settlement::default() };
            let settlements: Vec<_> = leases.iter().map(recorded).collect();
            let ends: Vec<_> = leases.iter().zip(&settlements).collect();
            queue.settle(&ends).await?;
            left -= leases.iter().map(|lease| lease.count).sum::<u32>();
        }
        Ok(begun.elapsed())
    })
}

/// What reads and ends as many entries by bare commands.
async fn bare(each: u32) -> Result<impl Future<Output = Result<Duration>> + Send + 'static> {
    let (redis, mut connection) = site::redis(Fsync::Always).await?;
    let chunks = (COUNT / each) as usize;
    let mut fill = redis::pipe();
    fill.cmd("XGROUP").arg(&["CREATE", "stream", "group", "0", "MKSTREAM"]).ignore();
    for chunk in 0..chunks {
        fill.cmd("XADD").arg(&["stream", "*", "e"]).arg(vec![b'x'; 60 * each as usize]).ignore();
        fill.set(format!("status:{chunk}"), STATUS).ignore();
    }
    let () = fill.query_async(&mut connection).await?;
    Ok(async move {
        let _redis = redis;
        read_and_end(&mut connection, chunks, SET / each as usize).await
    })
}

async fn read_and_end(redis: &mut MultiplexedConnection, chunks: usize, set: usize) -> Result<Duration> {
    let begun = Instant::now();
    for begin in (0..chunks).step_by(set) {
        let read = ["GROUP", "group", "consumer", "COUNT", &set.to_string(), "STREAMS", "stream", ">"];
        let entries: StreamReadReply = redis::cmd("XREADGROUP").arg(&read).query_async(redis).await?;
        let ids: Vec<String> = entries.keys.into_iter().flat_map(|key| key.ids).map(|entry| entry.id).collect();
        let statuses: Vec<String> = (begin..begin + ids.len()).map(|chunk| format!("status:{chunk}")).collect();
        let mut settle = redis::pipe();
        settle.mget(&statuses).ignore();
        for status in &statuses {
            settle.set(status, STATUS).ignore();
        }
        settle.xack("stream", "group", &ids).ignore().xdel("stream", &ids).ignore();
        let () = settle.query_async(redis).await?;
    }
    Ok(begun.elapsed())
}

/// Invoices a second by a worker, from its first lease until the queue is empty.
async fn drain(database: &str, first: u32, each: u32, (costs, postgres): (&mut Costs, i32)) -> Result<f64> {
    let (redis, _connection) = site::redis(Fsync::Always).await?;
    let queue = queue(&redis.url())?;
    // The worker is up and has its connections before anything waits; nothing is leased while the queue is paused.
    queue.pause().await?;
    let worker = site::role("worker", &redis.url(), database).await?;
    fill(&queue, first, COUNT, each).await?;
    let processes = [("PostgreSQL", postgres), ("Redis", redis.id()), ("worker", worker.process.id())];
    let meter = Meter::start(&processes)?;
    queue.resume().await?;
    while queue.backlog().await?.in_flight_chunks == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let begun = Instant::now();
    drained(&queue, LONG).await?;
    let rate = f64::from(COUNT) / begun.elapsed().as_secs_f64();
    costs.add(meter, COUNT.into())?;
    Ok(rate)
}
