//! How fast a worker drains a queue, beside the same statements alone.

use std::time::{Duration, Instant};

use anyhow::Result;
use caudal_ledger::Entry;
use caudal_queue::{Lease, Queue, Settlement};
use caudal_testkit::Postgres;
use chrono::Utc;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::mpsc;
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

/// What one measurement is of.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// How many rows the ledger has before.
    rows: u32,
    fsync: Fsync,
    /// How many invoices a chunk holds.
    each: u32,
}

/// Every size of table and of chunk; and what keeps any worker from the rate of the statements alone on the same machine.
pub(crate) async fn all() -> Result<Vec<Row>> {
    let mut table = Vec::new();
    for rows in [10_000, 1_000_000] {
        let (postgres, template) = site::postgres().await?;
        prepare(&template, rows).await?;
        for fsync in Fsync::ALL {
            for each in [1, 100] {
                table.extend(compared(&postgres, &template, Setting { rows, fsync, each }).await?);
            }
        }
    }
    Ok(table)
}

/// The drain, and under it its limits.
async fn compared(postgres: &Postgres, template: &str, setting: Setting) -> Result<Vec<Row>> {
    let (mut drains, mut floors, mut limits) = (Vec::new(), Vec::new(), Limit::ALL.map(|_| Vec::new()));
    let mut costs = Costs::default();
    for _ in 0..ROUNDS {
        floors.push(alone(&copy(postgres, template).await?, setting.rows).await?);
        for (limit, rates) in Limit::ALL.iter().zip(&mut limits) {
            rates.push(limit.measure(&copy(postgres, template).await?, setting).await?);
        }
        drains.push(drain(&copy(postgres, template).await?, setting, (&mut costs, postgres.id())).await?);
    }
    let Setting { rows, fsync, each } = setting;
    let of = format!("chunks of {each}, 10^{} rows, {}", rows.ilog10(), fsync.name());
    let row = |name, rates, aim, costs| {
        let floor = Some((median(floors.clone()), "the statements alone"));
        Row { name, figure: (median(rates), "invoices/s"), floor, aim, costs }
    };
    let mut table = vec![row(format!("drain, {of}"), drains, Aim::Least(0.8), costs.each())];
    let limits = Limit::ALL.iter().zip(limits);
    table.extend(limits.map(|(limit, rates)| row(format!("  {}", limit.name()), rates, Aim::None, Vec::new())));
    Ok(table)
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

/// A database like the template, which nobody may be connected to, in the place of the one before.
async fn copy(postgres: &Postgres, template: &str) -> Result<String> {
    let maintenance = postgres.named_database("maintenance").await?;
    let mut connection = PgConnection::connect(&maintenance).await?;
    connection.execute("DROP DATABASE IF EXISTS measured WITH (FORCE)").await?;
    let template = template.rsplit('/').next().unwrap_or_default();
    let statement = format!("CREATE DATABASE measured TEMPLATE {template} STRATEGY file_copy");
    connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    connection.execute("CHECKPOINT").await?;
    connection.close().await?;
    Ok(maintenance.replace("maintenance", "measured"))
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

/// What takes from the statements what any worker takes.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// Beside them as many bare commands of Redis as a queue in it needs: a read by a group and, for each set, its chunks' statuses read and
    /// written, its entries acknowledged and deleted.
    Bare,
    /// Beside them the calls that a worker of Caudal's queue makes.
    Queue,
    /// They and these calls on the same invoices: one loop that leases, one that records, one that settles.
    Loops,
}

impl Limit {
    const ALL: [Self; 3] = [Self::Bare, Self::Queue, Self::Loops];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "beside bare commands, and no worker",
            Self::Queue => "beside the queue's calls, and no worker",
            Self::Loops => "in three bare loops, and no worker",
        }
    }

    /// Invoices a second; of what runs beside one another, by the slower.
    async fn measure(self, database: &str, setting: Setting) -> Result<f64> {
        match self {
            Self::Bare => beside(bare(setting).await?, database, setting.rows).await,
            Self::Queue => beside(calls(setting).await?, database, setting.rows).await,
            Self::Loops => loops(database, setting).await,
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
async fn calls(
    Setting { fsync, each, .. }: Setting,
) -> Result<impl Future<Output = Result<Duration>> + Send + 'static> {
    let (redis, _connection) = site::redis(fsync).await?;
    let queue = queue(&redis.url())?;
    fill(&queue, 0, COUNT, each).await?;
    Ok(async move {
        let _redis = redis;
        let mut consumer = queue.consumer("bench");
        let begun = Instant::now();
        let mut left = COUNT;
        while left > 0 {
            let leases = consumer.lease(SET / each as usize, TURN).await?;
            settle(&queue, &leases).await?;
            left -= invoices(&leases);
        }
        Ok(begun.elapsed())
    })
}

async fn settle(queue: &Queue, leases: &[Lease]) -> Result<()> {
    let recorded = |lease: &Lease| Settlement { recorded: lease.count, ..Settlement::default() };
    let settlements: Vec<_> = leases.iter().map(recorded).collect();
    queue.settle(&leases.iter().zip(&settlements).collect::<Vec<_>>()).await?;
    Ok(())
}

fn invoices(leases: &[Lease]) -> u32 {
    leases.iter().map(|lease| lease.count).sum()
}

/// Invoices a second by the least that drains a full queue: three tasks that hand each other a set.
async fn loops(database: &str, Setting { rows, fsync, each }: Setting) -> Result<f64> {
    let (redis, _connection) = site::redis(fsync).await?;
    let (queue, ledger) = (queue(&redis.url())?, ledger(database)?);
    ledger.ready().await?;
    fill(&queue, rows, COUNT, each).await?;
    let (leased, mut to_record) = mpsc::channel(1);
    let (recorded, mut to_settle) = mpsc::channel::<Vec<Lease>>(1);
    let mut consumer = queue.consumer("bench");
    let begun = Instant::now();
    let leasing = tokio::spawn(async move {
        let mut left = COUNT;
        while left > 0 {
            let leases = consumer.lease(SET / each as usize, TURN).await?;
            left -= invoices(&leases);
            leased.send(leases).await?;
        }
        Ok::<_, anyhow::Error>(())
    });
    let settling = tokio::spawn(async move {
        while let Some(leases) = to_settle.recv().await {
            settle(&queue, &leases).await?;
        }
        Ok::<_, anyhow::Error>(())
    });
    while let Some(leases) = to_record.recv().await {
        ledger.record(&leased_entries(&leases)?).await?;
        // Where nobody takes them, the task below says why.
        if recorded.send(leases).await.is_err() {
            break;
        }
    }
    drop(recorded);
    leasing.await??;
    settling.await??;
    let rate = f64::from(COUNT) / begun.elapsed().as_secs_f64();
    ledger.close().await;
    Ok(rate)
}

fn leased_entries(leases: &[Lease]) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(SET);
    for Lease { payload, version, batch, received_at, .. } in leases {
        let entry = |(version, invoice)| Entry { invoice, version, batch: *batch, received_at: *received_at };
        entries.extend((*version..).zip(caudal_invoice::chunk::decode(payload)?).map(entry));
    }
    Ok(entries)
}

/// What reads and ends as many entries by bare commands.
async fn bare(Setting { fsync, each, .. }: Setting) -> Result<impl Future<Output = Result<Duration>> + Send + 'static> {
    let (redis, mut connection) = site::redis(fsync).await?;
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
async fn drain(database: &str, setting: Setting, (costs, postgres): (&mut Costs, i32)) -> Result<f64> {
    let Setting { rows, fsync, each } = setting;
    let (redis, _connection) = site::redis(fsync).await?;
    let queue = queue(&redis.url())?;
    // The worker is up and has its connections before anything waits; nothing is leased while the queue is paused.
    queue.pause().await?;
    let worker = site::role("worker", &redis.url(), database).await?;
    fill(&queue, rows, COUNT, each).await?;
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
