//! The queue at one moment.

use std::fmt;
use std::time::Duration;

use caudal_queue::{Backlog, Durability, Error, Flow, Fsync, Memory, Queue, Worker};
use chrono::{DateTime, TimeDelta, Utc};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use crate::terminal::count;

/// A worker that is silent this long is taken for dead: a lease has run out.
const DEAD: Duration = caudal_queue::LEASE;
/// Names of more workers are not listed for people.
const SHOWN: usize = 10;

/// The queue at one moment: for people as text, for programs as JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    queue: String,
    pub(super) paused: bool,
    /// Invoices: waiting, in flight and to be retried.
    pub(super) backlog: u64,
    pub(super) waiting_chunks: u64,
    pub(super) in_flight_chunks: u64,
    pub(super) retry_invoices: u64,
    next_retry: Option<DateTime<Utc>>,
    pub(super) dead: u64,
    /// Age of the oldest chunk that waits or is in flight.
    pub(super) oldest_seconds: Option<f64>,
    workers: Vec<Consumer>,
    redis: Server,
    warnings: Vec<String>,
    #[serde(skip)]
    pub(super) flow: Flow,
}

#[derive(Clone, Debug, Serialize)]
struct Consumer {
    name: String,
    chunks: u64,
    silent_seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Server {
    memory_used: u64,
    memory_limit: Option<u64>,
    append_only: Option<bool>,
    fsync: Option<&'static str>,
}

impl Report {
    /// Looks at the queue.
    pub(super) async fn of(queue: &Queue) -> Result<Self, Error> {
        let (backlog, workers, flow) = (queue.backlog().await?, queue.workers().await?, queue.flow().await?);
        let (memory, durability) = (queue.memory().await?, queue.durability().await?);
        let oldest_seconds = backlog.oldest.map(|oldest| seconds(flow.at - oldest));
        let mut warnings = warnings(&backlog, &workers, oldest_seconds, memory, durability);
        if let Err(error) = queue.ready().await {
            warnings.insert(0, error.to_string());
        }
        let Backlog { invoices, waiting_chunks, in_flight_chunks, dead, retry_invoices, next_due, paused, .. } =
            backlog;
        Ok(Self {
            queue: queue.name().to_string(),
            paused,
            backlog: invoices,
            waiting_chunks,
            in_flight_chunks,
            retry_invoices,
            next_retry: next_due,
            dead,
            oldest_seconds,
            workers: workers.into_iter().map(consumer).collect(),
            redis: server(memory, durability),
            warnings,
            flow,
        })
    }

    /// How old the oldest chunk is, for people.
    pub(super) fn oldest(&self) -> String {
        self.oldest_seconds.map_or_else(|| "none".to_owned(), duration)
    }
}

fn seconds(delta: TimeDelta) -> f64 {
    (delta.num_milliseconds().max(0) as f64) / 1_000.0
}

fn consumer(worker: Worker) -> Consumer {
    let Worker { name, chunks, silent } = worker;
    Consumer { name, chunks, silent_seconds: silent.as_millis() as f64 / 1_000.0 }
}

fn server(memory: Memory, durability: Durability) -> Server {
    let fsync = durability.fsync.map(|fsync| match fsync {
        Fsync::Always => "always",
        Fsync::EverySecond => "everysec",
        Fsync::No => "no",
    });
    Server { memory_used: memory.used, memory_limit: memory.limit, append_only: durability.append_only, fsync }
}

/// What an operator should mend, in words.
fn warnings(
    backlog: &Backlog,
    workers: &[Worker],
    oldest_seconds: Option<f64>,
    memory: Memory,
    durability: Durability,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |applies: bool, text: &str| warnings.extend(applies.then(|| text.to_owned()));
    // A worker that has been idle for long takes what comes at once, if it lives.
    let given_time = oldest_seconds.is_some_and(|age| age >= DEAD.as_secs_f64());
    let dead = workers.is_empty() || (given_time && workers.iter().all(|worker| worker.silent >= DEAD));
    warn(backlog.waiting_chunks > 0 && dead && !backlog.paused, "chunks wait and no worker is alive");
    warn(memory.limit.is_none(), "Redis has no memory limit (maxmemory): it can take the whole machine");
    warn(memory.is_tight(), "Redis is over 85 % of its memory: batches are answered with 429");
    warnings.extend(durability.weakness().map(str::to_owned));
    warnings
}

/// A time in its largest units.
fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} {} h", count(whole / 86_400, "day"), whole % 86_400 / 3_600),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paused = if self.paused { " (paused)" } else { "" };
        writeln!(formatter, "queue            {}{paused}", self.queue)?;
        writeln!(formatter, "backlog          {}", count(self.backlog, "invoice"))?;
        writeln!(formatter, "  waiting        {}", count(self.waiting_chunks, "chunk"))?;
        writeln!(formatter, "  in flight      {}", count(self.in_flight_chunks, "chunk"))?;
        let next = self
            .next_retry
            .map(|due| format!(", next in {}", duration(seconds(due - self.flow.at))))
            .unwrap_or_default();
        writeln!(formatter, "  to be retried  {}{next}", count(self.retry_invoices, "invoice"))?;
        writeln!(formatter, "oldest           {}", self.oldest())?;
        writeln!(formatter, "dead             {}", count(self.dead, "letter"))?;
        writeln!(formatter, "workers          {}", HumanCount(self.workers.len() as u64))?;
        for Consumer { name, chunks, silent_seconds } in self.workers.iter().take(SHOWN) {
            let silent = duration(*silent_seconds);
            let does = match chunks {
                0 => format!("idle for {silent}"),
                held => format!("{}, heard of {silent} ago", count(*held, "chunk")),
            };
            writeln!(formatter, "  {name}  {does}")?;
        }
        if let Some(more) = self.workers.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            writeln!(formatter, "  and {more} more")?;
        }
        let Server { memory_used, memory_limit, append_only, fsync } = &self.redis;
        let limit = memory_limit.map_or_else(|| "no limit".to_owned(), |limit| format!("of {}", HumanBytes(limit)));
        let kept = match (append_only, fsync) {
            (Some(true), Some(fsync)) => format!("append-only file, synced {fsync}"),
            (Some(true), None) => "append-only file".to_owned(),
            (Some(false), _) => "no append-only file".to_owned(),
            (None, _) => "durability unknown".to_owned(),
        };
        write!(formatter, "Redis            {} {limit}, {kept}", HumanBytes(*memory_used))?;
        self.warnings.iter().try_for_each(|warning| write!(formatter, "\nwarning: {warning}"))
    }
}

#[cfg(test)]
mod tests;
