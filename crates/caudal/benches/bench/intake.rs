//! How fast batches are taken in: by the script alone, and over HTTP.

use std::time::Duration;

use anyhow::{Context as _, Result};
use caudal_queue::{Batch, Queue};
use caudal_testkit::Redis;
use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamRangeReply;

use crate::cost::{self, Costs, Meter, processor_seconds};
use crate::load::{Form, Template, per_second};
use crate::site::{self, Fsync, NO_LIMIT, Role, batch, invoice, json, queue};
use crate::table::{Aim, Row, median};
use crate::wire::{Reply, Tap, post};

const CLIENTS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

const EMPTY: &str = "#!lua\nreturn 1";
/// What an admission of one batch asks of Redis, without what it decides.
const BARE: &str = "#!lua
local call, keys = redis.call, KEYS
call('MGET', keys[1], keys[2], keys[3], keys[5])
call('TIME')
call('XLEN', keys[4])
call('XADD', keys[4], '*', 'e', ARGV[8])
call('MSET', keys[1], 1, keys[2], 2, keys[6], '1 0 0 0 1700000000000 0 ')
call('SET', keys[5], ARGV[4], 'PXAT', '4000000000000')
return 1";

/// The queue has one call under way at a time.
const CALLS: usize = 1;

/// A Redis, and what is sent to it.
struct Peer {
    redis: Redis,
    connection: MultiplexedConnection,
    address: String,
    /// A call with one batch.
    script: Template,
    /// The same call of a script that does nothing, and of one that does nothing but an admission's commands.
    empty: Template,
    bare: Template,
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
        let empty = Template::new(of_other_script(&call, EMPTY, &mut connection).await?, &marks(&[&one]));
        let bare = Template::new(of_other_script(&call, BARE, &mut connection).await?, &marks(&[&one]));
        let script = Template::new(call, &marks(&[&one]));
        let add = Template::new(plain_add(&mut connection).await?, &marks(&[&one]));
        let together = together(&queue, &tap).await?;
        let address = format!("127.0.0.1:{}", redis.port());
        Ok(Self { redis, connection, address, script, empty, bare, together, add })
    }

    async fn add_rate(&mut self) -> Result<f64> {
        self.flush().await?;
        Ok(self.rate(&self.add)?)
    }

    /// Calls a second; what they cost Redis is added.
    async fn script_rate(&mut self, call: impl Fn(&Self) -> &Template, costs: &mut Costs) -> Result<f64> {
        self.flush().await?;
        let meter = Meter::start(&[("Redis", self.redis.id())])?;
        let rate = self.rate(call(self))?;
        costs.add(meter, rate * ROUND.as_secs_f64())?;
        Ok(rate)
    }

    fn rate(&self, call: &Template) -> std::io::Result<f64> {
        per_second(&self.address, (CLIENTS, ROUND), call, Reply::Redis)
    }

    /// Batches a second, as many in a call as come together.
    async fn together_rate(&mut self) -> Result<f64> {
        self.flush().await?;
        let (call, batches) = &self.together;
        Ok(per_second(&self.address, (CALLS, ROUND), call, Reply::Redis)? * *batches as f64)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(redis::cmd("FLUSHALL").query_async(&mut self.connection).await?)
    }
}

/// A call with the same keys and arguments, of another script.
async fn of_other_script(call: &[u8], script: &str, connection: &mut MultiplexedConnection) -> Result<Vec<u8>> {
    let digest: String = redis::cmd("SCRIPT").arg(&["LOAD", script]).query_async(connection).await?;
    let head = b"EVALSHA\r\n$40\r\n";
    let at = call.windows(head.len()).position(|window| window == head).context("no call of a script")? + head.len();
    Ok([&call[..at], digest.as_bytes(), &call[at + digest.len()..]].concat())
}

/// All that have a part in a request.
fn processes(api: &Role, peer: &Peer) -> [cost::Named; 3] {
    [("API", api.process.id()), ("Redis", peer.redis.id()), ("client", cost::own())]
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

/// The admission script, and what any script could reach at most, beside a plain XADD of the same bytes: with one batch in a call, and with as many as come together.
pub(crate) async fn script() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for fsync in Fsync::ALL {
        let mut peer = Peer::start(fsync).await?;
        let mut adds = Vec::new();
        let mut rates: [(Vec<f64>, Costs); 4] = Default::default();
        for _ in 0..ROUNDS {
            let [single, together, bare, empty] = &mut rates;
            single.0.push(peer.script_rate(|peer| &peer.script, &mut single.1).await?);
            adds.push(peer.add_rate().await?);
            together.0.push(peer.together_rate().await?);
            bare.0.push(peer.script_rate(|peer| &peer.bare, &mut bare.1).await?);
            empty.0.push(peer.script_rate(|peer| &peer.empty, &mut empty.1).await?);
        }
        let floor = median(adds);
        let batches = peer.together.1;
        let names = [
            ("admission script, 1 a call".to_owned(), Aim::Least(0.5)),
            (format!("admission script, {batches} a call as {CLIENTS} clients"), Aim::Least(0.5)),
            ("its commands in a script that decides nothing".to_owned(), Aim::None),
            ("a script that does nothing".to_owned(), Aim::None),
        ];
        for ((name, aim), (rates, costs)) in names.into_iter().zip(rates) {
            rows.push(Row {
                name: format!("{name}, {}", fsync.name()),
                figure: (median(rates), "batches/s"),
                floor: Some((floor, "plain XADD of the same bytes")),
                aim,
                costs: costs.each(),
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
        let mut costs = Costs::default();
        for _ in 0..ROUNDS {
            peer.flush().await?;
            let meter = Meter::start(&processes(&api, &peer))?;
            let rate = per_second(&api.address, (CLIENTS, ROUND), &request, Reply::Accepted)?;
            costs.add(meter, rate * ROUND.as_secs_f64())?;
            requests.push(rate);
            adds.push(peer.add_rate().await?);
        }
        rows.push(Row {
            name: format!("intake, 1 invoice a request, {}", fsync.name()),
            figure: (median(requests), "requests/s"),
            floor: Some((median(adds), "plain XADD of the same bytes")),
            aim: Aim::Least(0.25),
            costs: costs.each(),
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
        let (mut rates, mut costs) = (Vec::new(), Costs::default());
        for _ in 0..ROUNDS {
            peer.flush().await?;
            let before = processor_seconds(api.process.id())?;
            let meter = Meter::start(&processes(&api, &peer))?;
            let invoices =
                per_second(&api.address, (CLIENTS, ROUND), &request, Reply::Accepted)? * ROUND.as_secs_f64() * 100.0;
            costs.add(meter, invoices)?;
            rates.push(invoices / (processor_seconds(api.process.id())? - before));
        }
        rows.push(Row {
            name: format!("intake, 100 invoices a request, {}", fsync.name()),
            figure: (median(rates), "invoices/CPU s"),
            floor: None,
            aim: Aim::Least(300_000.0),
            costs: costs.each(),
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
            costs: Vec::new(),
        });
    }
    Ok(rows)
}

async fn used_memory(connection: &mut MultiplexedConnection) -> Result<f64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).context("used_memory")?;
    Ok(line.trim().parse()?)
}
