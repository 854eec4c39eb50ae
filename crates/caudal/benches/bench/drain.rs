//! How fast a worker drains a queue, beside the same statements alone.

use std::time::{Duration, Instant};

use anyhow::Result;
use caudal_ledger::Entry;
use chrono::Utc;
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
const LONG: Duration = Duration::from_secs(120);

/// Every size of table and of chunk.
pub(crate) async fn all() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (rows_before, size) in [(10_000, "10^4"), (1_000_000, "10^6")] {
        let (postgres, template) = site::postgres().await?;
        prepare(&template, rows_before).await?;
        for each in [1, 100] {
            let (mut drains, mut floors) = (Vec::new(), Vec::new());
            let mut costs = Costs::default();
            for round in 0..ROUNDS {
                let copy = copy(&postgres, &template, &format!("floor_{each}_{round}")).await?;
                floors.push(alone(&copy, rows_before).await?);
                let copy = self::copy(&postgres, &template, &format!("drain_{each}_{round}")).await?;
                drains.push(drain(&copy, rows_before, each, (&mut costs, postgres.id())).await?);
            }
            rows.push(Row {
                name: format!("drain, chunks of {each}, {size} rows"),
                figure: (median(drains), "invoices/s"),
                floor: Some((median(floors), "the statements alone")),
                aim: Aim::Least(0.8),
                costs: costs.each(),
            });
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
