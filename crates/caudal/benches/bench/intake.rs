//! How fast batches are taken in: by the script alone, and over HTTP.

use std::time::Duration;

use anyhow::{Context as _, Result};
use caudal_queue::{Batch, Queue};
use caudal_testkit::Redis;
use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamRangeReply;

use crate::load::{Form, Template, per_second};
use crate::site::{self, Fsync, NO_LIMIT, batch, invoice, json, queue};
use crate::table::{Aim, Row, median};
use crate::wire::{Reply, Tap, post};

const CLIENTS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// The queue has one call under way at a time.
const CALLS: usize = 1;

/// A Redis, and what is sent to it.
struct Peer {
    redis: Redis,
    connection: MultiplexedConnection,
    address: String,
    /// A call with one batch.
    script: Template,
    /// A call with as many batches as come together when the clients admit one each, and how many these are.
    together: (Template, usize),
    add: Template,
}

impl Peer {
    async fn start(fsync: Fsync) -> Result<Self> {
        let (redis, mut connection) = site::redis(fsync).await?;
        let tap = Tap::open(redis.port()).await?;
        let queue = queue(&format!("redis://127.0.0.1:{}/0", tap.port))?;
        let one = batch(&[invoice(1)]);
        queue.admit(&one, NO_LIMIT).await?;
        let call = tap.script_calls().pop().context("no script was called")?;
        let script = Template::new(call, &marks(&[&one]));
        let add = Template::new(plain_add(&mut connection).await?, &marks(&[&one]));
        let together = together(&queue, &tap).await?;
        let address = format!("127.0.0.1:{}", redis.port());
        Ok(Self { redis, connection, address, script, together, add })
    }

    async fn add_rate(&mut self) -> Result<f64> {
        self.empty().await?;
        Ok(per_second(&self.address, (CLIENTS, ROUND), &self.add, Reply::Redis)?)
    }

    /// Batches a second, one in a call.
    async fn script_rate(&mut self) -> Result<f64> {
        self.empty().await?;
        Ok(per_second(&self.address, (CLIENTS, ROUND), &self.script, Reply::Redis)?)
    }

    /// Batches a second, as many in a call as come together.
    async fn together_rate(&mut self) -> Result<f64> {
        self.empty().await?;
        let (call, batches) = &self.together;
        Ok(per_second(&self.address, (CALLS, ROUND), call, Reply::Redis)? * *batches as f64)
    }

    async fn empty(&mut self) -> Result<()> {
        Ok(redis::cmd("FLUSHALL").query_async(&mut self.connection).await?)
    }
}

/// What makes a batch one of its own.
fn marks<'b>(batches: &[&'b Batch]) -> Vec<(&'b [u8], Form)> {
    batches.iter().flat_map(|batch| [&batch.key[..16], batch.id.as_bytes()]).map(|mark| (mark, Form::Binary)).collect()
}

/// What the queue sends when every client admits one batch after the other: the call of middle size, and its batches.
async fn together(queue: &Queue, tap: &Tap) -> Result<(Template, usize)> {
    let batches: Vec<_> = (0..CLIENTS * 50).map(|_| batch(&[invoice(1)])).collect();
    let before = tap.script_calls().len();
    let client = async |batches: &[Batch]| {
        for batch in batches {
            queue.admit(batch, NO_LIMIT).await?;
        }
        anyhow::Ok(())
    };
    try_join_all(batches.chunks(batches.len() / CLIENTS).map(client)).await?;
    let mut calls = tap.script_calls().split_off(before);
    calls.sort_by_key(Vec::len);
    let call = calls.swap_remove(calls.len() / 2);
    let contained = |batch: &&Batch| call.windows(16).any(|window| window == batch.id.as_bytes());
    let batches: Vec<_> = batches.iter().filter(contained).collect();
    Ok((Template::new(call.clone(), &marks(&batches)), batches.len()))
}

/// An XADD of what an admission has put into the stream.
async fn plain_add(connection: &mut MultiplexedConnection) -> Result<Vec<u8>> {
    let stream = "caudal:{facturas}:stream";
    let entries: StreamRangeReply = redis::cmd("XRANGE").arg(&[stream, "-", "+"]).query_async(connection).await?;
    let entry = entries.ids.into_iter().next().context("the stream is empty")?;
    let mut add = redis::cmd("XADD");
    add.arg(stream).arg("*");
    for (name, value) in entry.map {
        add.arg(name).arg(redis::from_redis_value::<Vec<u8>>(value)?);
    }
    Ok(add.get_packed_command())
}

/// The admission script beside a plain XADD of the same bytes: with one batch in a call, and with as many as come together.
pub(crate) async fn script() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for fsync in Fsync::ALL {
        let mut peer = Peer::start(fsync).await?;
        let (mut singles, mut together, mut adds) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            singles.push(peer.script_rate().await?);
            adds.push(peer.add_rate().await?);
            together.push(peer.together_rate().await?);
        }
        let floor = median(adds);
        let batches = peer.together.1;
        for (rates, calls) in
            [(singles, "1 a call".to_owned()), (together, format!("{batches} a call as {CLIENTS} clients"))]
        {
            rows.push(Row {
                name: format!("admission script, {calls}, {}", fsync.name()),
                figure: (median(rates), "batches/s"),
                floor: Some((floor, "plain XADD of the same bytes")),
                aim: Aim::Least(0.5),
            });
        }
    }
    Ok(rows)
}

/// Requests of one invoice beside a plain XADD of the same bytes.
pub(crate) async fn single() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for fsync in Fsync::ALL {
        let mut peer = Peer::start(fsync).await?;
        let api = site::role("api", &peer.redis.url(), "postgres://127.0.0.1:1/none").await?;
        let body = json(&[invoice(4_000_000_000)]);
        let request =
            Template::new(post("9999999999", &body), &[(b"9999999999", Form::Decimal), (b"4000000000", Form::Decimal)]);
        let (mut requests, mut adds) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            peer.empty().await?;
            requests.push(per_second(&api.address, (CLIENTS, ROUND), &request, Reply::Accepted)?);
            adds.push(peer.add_rate().await?);
        }
        rows.push(Row {
            name: format!("intake, 1 invoice a request, {}", fsync.name()),
            figure: (median(requests), "requests/s"),
            floor: Some((median(adds), "plain XADD of the same bytes")),
            aim: Aim::Least(0.25),
        });
    }
    Ok(rows)
}

/// Batches of a hundred: what they cost the API.
pub(crate) async fn hundreds() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for fsync in Fsync::ALL {
        let mut peer = Peer::start(fsync).await?;
        let api = site::role("api", &peer.redis.url(), "postgres://127.0.0.1:1/none").await?;
        let body = json(&(0..100).map(|number| invoice(4_000_000_000 + number)).collect::<Vec<_>>());
        let request = Template::new(post("9999999999", &body), &[(b"9999999999", Form::Decimal)]);
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            peer.empty().await?;
            let before = site::processor_seconds(api.process.id())?;
            let rate = per_second(&api.address, (CLIENTS, ROUND), &request, Reply::Accepted)?;
            let used = site::processor_seconds(api.process.id())? - before;
            costs.push(rate * ROUND.as_secs_f64() * 100.0 / used);
        }
        rows.push(Row {
            name: format!("intake, 100 invoices a request, {}", fsync.name()),
            figure: (median(costs), "invoices/CPU s"),
            floor: None,
            aim: Aim::Least(300_000.0),
        });
    }
    Ok(rows)
}

/// What an invoice costs Redis, key and status included.
pub(crate) async fn bytes() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (each, most) in [(100, 250.0), (1, 500.0)] {
        let (redis, mut connection) = site::redis(Fsync::EverySecond).await?;
        let queue = queue(&redis.url())?;
        site::fill(&queue, 0, 100, 1).await?;
        let count = 50_000;
        let before = used_memory(&mut connection).await?;
        site::fill(&queue, 100, count, each).await?;
        let used = used_memory(&mut connection).await? - before;
        rows.push(Row {
            name: format!("Redis, in batches of {each}"),
            figure: (used / f64::from(count), "bytes/invoice"),
            floor: None,
            aim: Aim::Most(most),
        });
    }
    Ok(rows)
}

async fn used_memory(connection: &mut MultiplexedConnection) -> Result<f64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).context("used_memory")?;
    Ok(line.trim().parse()?)
}
