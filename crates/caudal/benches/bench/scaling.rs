//! How soon the controller asks for workers, and what it costs.
//!
//! A reaction is the time from just before the work is put into the queue until the watch event of the Deployment that has the replicas
//! the work needs. KEDA's figures are those of version 2.20.2 on a machine like this, as it comes and at its quickest setting.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use caudal_queue::{Queue, Settlement};
use caudal_testkit::{Output, Process, Redis, free_port};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cluster::{Cluster, Sight, Sights};
use crate::cost::processor_seconds;
use crate::site::{self, Fsync, NO_LIMIT, batch, invoice, named_queue};
use crate::table::{Aim, Row, median, p99};

const TRIALS: usize = 200;
/// Trials take turns on so many objects: while one goes back to zero, the others are there.
const LANES: usize = 8;
/// As many invoices as one replica may have.
const EACH: u32 = 5;
const MANY: usize = 1_000;
const BURST: usize = 50;
const BURSTS: u32 = 10;
const START: Duration = Duration::from_secs(60);
/// For so many milliseconds the controller gathers what comes.
const GATHERING: f64 = 20.0;
/// So many times at least all has to have come together.
const TOGETHER: usize = 20;
/// Until everything that a start needs is done with.
const SETTLED: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);
/// At most that many things are made or drained at a time.
const AT_A_TIME: usize = 16;

/// Everything that is needed of the controller.
pub(crate) async fn all() -> Result<Vec<Row>> {
    let (redis, connection) = site::redis(Fsync::Always).await?;
    let cluster = Cluster::start().await?;
    let mut rows = few(&cluster, &redis, connection).await?;
    drop(cluster);
    rows.extend(many(&Cluster::start().await?, &redis).await?);
    Ok(rows)
}

/// A queue and what scales to it.
struct Lane {
    name: String,
    queue: Queue,
    sights: Sights,
}

/// What a hundred batches came to. Times in milliseconds.
struct Pipeline {
    reaction: f64,
    /// Until the last of them was in the queue.
    admission: f64,
    writes: f64,
}

impl Lane {
    async fn open(cluster: &Cluster, redis: &Redis, sights: &Sights, name: String) -> Result<Self> {
        cluster.scaled(&name, &json!({ "caudal": { "redis": { "url": redis.url() }, "queue": name } })).await?;
        Ok(Self { queue: named_queue(&redis.url(), &name)?, name, sights: sights.clone() })
    }

    async fn at_zero(&mut self) -> Result<Sight> {
        self.sights.until(&self.name, |sight| sight.replicas == 0).await
    }

    /// From zero straight to what so many invoices of one batch need, in milliseconds.
    async fn reaction(&mut self, invoices: u32) -> Result<f64> {
        let before = self.at_zero().await?;
        let batch = batch(&(0..invoices).map(invoice).collect::<Vec<_>>());
        let begun = Instant::now();
        self.queue.admit(&batch, NO_LIMIT).await?;
        let seen = self.sights.until(&self.name, |sight| sight.generation > before.generation).await?;
        ensure!(seen.replicas == invoices.div_ceil(EACH), "{invoices} invoices: {seen:?}");
        Ok(milliseconds(seen.at - begun))
    }

    /// From zero to 20 by a hundred batches of one pipeline.
    async fn pipeline(&mut self) -> Result<Pipeline> {
        let before = self.at_zero().await?;
        let batches: Vec<_> = (0..100).map(|number| batch(&[invoice(number)])).collect();
        let begun = Instant::now();
        try_join_all(batches.iter().map(|batch| self.queue.admit(batch, NO_LIMIT))).await?;
        let admission = begun.elapsed();
        let seen = self.sights.until(&self.name, |sight| sight.replicas == 20).await?;
        let writes = (seen.generation - before.generation) as f64;
        Ok(Pipeline { reaction: milliseconds(seen.at - begun), admission: milliseconds(admission), writes })
    }

    /// Settles all that waits.
    async fn drain(&self) -> Result<()> {
        let mut consumer = self.queue.consumer("bench/1");
        while self.queue.backlog().await?.invoices > 0 {
            let leases = consumer.lease(100, Duration::from_millis(10)).await?;
            let settle = |count| Settlement { recorded: count, ..Settlement::default() };
            let settlements: Vec<_> = leases.iter().map(|lease| settle(lease.count)).collect();
            self.queue.settle(&leases.iter().zip(&settlements).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }
}

async fn few(cluster: &Cluster, redis: &Redis, connection: MultiplexedConnection) -> Result<Vec<Row>> {
    let sights = cluster.watch();
    let mut lanes = Vec::new();
    for number in 0..LANES {
        lanes.push(Lane::open(cluster, redis, &sights, format!("lane-{number}")).await?);
        cluster.scaled(&format!("list-{number}"), &list(redis, number)).await?;
        cluster.deployment(&format!("floor-{number}")).await?;
    }
    let controller = controller(cluster).await?;
    cluster.looked_after(2 * LANES).await?;

    let (mut reactions, mut floors) = (Vec::new(), Vec::new());
    for trial in 0..TRIALS {
        any_moment(300).await;
        let lane = &mut lanes[trial % LANES];
        reactions.push(lane.reaction(fastrand::u32(1..=100)).await?);
        lane.drain().await?;
        any_moment(300).await;
        floors.push(floor(cluster, sights.clone(), trial % LANES, u32::try_from(trial / LANES)? + 1).await?);
    }
    let pipelines = pipelines(&mut lanes).await?;
    let polled = join_all((0..LANES).map(|number| polled(number, connection.clone(), sights.clone()))).await;
    let polled: Vec<f64> = polled.into_iter().collect::<Result<Vec<_>>>()?.concat();
    controller.check()?;

    let row = |name: &str, figure, floor, aim| {
        let floor = Some((floor, "a bare write to /scale"));
        Row { name: name.to_owned(), figure, floor, aim: Aim::MostAlone(aim), costs: Vec::new() }
    };
    let (middle, middle_floor) = (median(reactions.clone()), median(floors.clone()));
    let mut rows = vec![
        row("0 -> N, source caudal (KEDA 11570, tuned 650)", (middle, "ms, median"), middle_floor, 50.0),
        row("0 -> N, source caudal", (p99(reactions), "ms, p99"), p99(floors.clone()), 250.0),
        row("0 -> N, a polled list", (p99(polled), "ms, p99"), p99(floors), 1_100.0),
    ];
    rows.extend(told(&pipelines)?);
    Ok(rows)
}

async fn pipelines(lanes: &mut [Lane]) -> Result<Vec<Pipeline>> {
    let mut pipelines = Vec::new();
    for trial in 0..TRIALS {
        any_moment(300).await;
        let lane = &mut lanes[trial % LANES];
        pipelines.push(lane.pipeline().await?);
        lane.drain().await?;
    }
    Ok(pipelines)
}

fn told(pipelines: &[Pipeline]) -> Result<[Row; 2]> {
    let all = |of: fn(&Pipeline) -> f64| p99(pipelines.iter().map(of).collect());
    let together: Vec<f64> = pipelines.iter().filter(|one| one.admission < GATHERING).map(|one| one.writes).collect();
    ensure!(together.len() >= TOGETHER, "only {} of {} times all came together", together.len(), pipelines.len());
    let most_writes = together.into_iter().fold(0.0, f64::max);
    Ok([
        Row {
            name: "0 -> 20, 100 messages (KEDA 67300, tuned 7480)".to_owned(),
            figure: (all(|one| one.reaction), "ms, p99"),
            floor: Some((all(|one| one.admission), "until they are in the queue")),
            aim: Aim::MostAlone(250.0),
            costs: Vec::new(),
        },
        Row {
            name: "the same, writes where they came together".to_owned(),
            figure: (most_writes, "writes, most"),
            floor: None,
            aim: Aim::Most(1.0),
            costs: Vec::new(),
        },
    ])
}

async fn controller(cluster: &Cluster) -> Result<Process> {
    let ops = format!("127.0.0.1:{}", free_port()?);
    let process = Process::start(&cluster.controller("bench", &ops), Output::File("/dev/null".into()))?;
    process.ready(START, async || site::ready(&ops).await).await?;
    Ok(process)
}

/// A write and its watch event without a controller, in milliseconds.
async fn floor(cluster: &Cluster, mut sights: Sights, number: usize, replicas: u32) -> Result<f64> {
    let name = format!("floor-{number}");
    let begun = Instant::now();
    cluster.write(&name, replicas).await?;
    let seen = sights.until(&name, |sight| sight.replicas == replicas).await?;
    Ok(milliseconds(seen.at - begun))
}

fn list(redis: &Redis, number: usize) -> Value {
    json!({ "list": { "redis": { "url": redis.url() }, "keys": [format!("list-{number}")] } })
}

/// The reactions to a list that fills, in milliseconds.
async fn polled(number: usize, mut connection: MultiplexedConnection, mut sights: Sights) -> Result<Vec<f64>> {
    let name = format!("list-{number}");
    let mut reactions = Vec::new();
    for _ in 0..TRIALS / LANES {
        let before = sights.until(&name, |sight| sight.replicas == 0).await?;
        any_moment(1_000).await;
        let entries = fastrand::u32(1..=100);
        let begun = Instant::now();
        let push = redis::cmd("RPUSH").arg(&name).arg(vec!["entry"; entries as usize]).clone();
        let () = push.query_async(&mut connection).await?;
        let seen = sights.until(&name, |sight| sight.generation > before.generation).await?;
        ensure!(seen.replicas == entries.div_ceil(EACH), "{entries} entries: {seen:?}");
        reactions.push(milliseconds(seen.at - begun));
        let () = redis::cmd("DEL").arg(&name).query_async(&mut connection).await?;
    }
    Ok(reactions)
}

/// How much of a core it uses while nothing happens, in percent.
async fn idle(controller: &Process) -> Result<f64> {
    sleep(SETTLED).await;
    let before = processor_seconds(controller.id())?;
    sleep(IDLE).await;
    Ok((processor_seconds(controller.id())? - before) / IDLE.as_secs_f64() * 100.0)
}

async fn many(cluster: &Cluster, redis: &Redis) -> Result<Vec<Row>> {
    let sights = cluster.watch();
    let names = (0..MANY).map(|number| format!("many-{number}"));
    let opened = stream::iter(names).map(|name| Lane::open(cluster, redis, &sights, name)).buffer_unordered(AT_A_TIME);
    let mut lanes = opened.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<_>>>()?;
    for number in 0..BURST {
        cluster.deployment(&format!("floor-{number}")).await?;
    }
    let controller = controller(cluster).await?;
    cluster.looked_after(MANY).await?;
    let used = idle(&controller).await?;

    let (mut reactions, mut floors) = (Vec::new(), Vec::new());
    for burst in 1..=BURSTS {
        let writes = (0..BURST).map(|number| floor(cluster, sights.clone(), number, burst));
        floors.extend(try_join_all(writes).await?);
        fastrand::shuffle(&mut lanes);
        let burst = &mut lanes[..BURST];
        any_moment(1_000).await;
        reactions.extend(try_join_all(burst.iter_mut().map(|lane| lane.reaction(fastrand::u32(1..=100)))).await?);
        let drained = stream::iter(burst.iter()).map(Lane::drain).buffer_unordered(AT_A_TIME).collect::<Vec<_>>();
        drained.await.into_iter().collect::<Result<()>>()?;
        try_join_all(burst.iter_mut().map(Lane::at_zero)).await?;
    }
    let resident = site::resident(controller.id())?;
    controller.check()?;
    let row = |name: &str, figure, floor, aim| Row {
        name: format!("1000 QueueScalers, {name}"),
        figure,
        floor,
        aim: Aim::MostAlone(aim),
        costs: Vec::new(),
    };
    let floor = Some((p99(floors), "50 bare writes at once"));
    Ok(vec![
        row("idle (KEDA, 100: 6)", (used, "% of a core"), None, 10.0),
        row("after bursts (KEDA, 100: 270)", (resident, "MB"), None, 67.1),
        row("50 burst at once", (p99(reactions), "ms, p99"), floor, 1_000.0),
    ])
}

/// Sleeps for less than so many milliseconds: trials are not to keep in step with the ticks.
async fn any_moment(below: u64) {
    sleep(Duration::from_micros(fastrand::u64(0..below * 1_000))).await;
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
