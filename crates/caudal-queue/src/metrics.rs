//! What can be measured of the queue and its Redis, asked for when somebody reads the metrics.

use caudal_telemetry::metrics::Registry;
use chrono::{DateTime, Utc};

use crate::{Backlog, Durability, Error, Fsync, Memory, Queue};

const GAUGES: [(&str, &str); 15] = [
    ("redis_up", "1 while Redis answers, else 0: every other gauge of the queue and of Redis is absent then"),
    ("redis_append_only", "1 where Redis writes an append-only file, without which a crash loses what was accepted"),
    ("redis_append_only_ok", "1 where the last write to the append-only file succeeded"),
    ("redis_fsync_always", "1 where the append-only file reaches the disk before a batch is accepted"),
    ("redis_memory_used_bytes", "Memory Redis uses"),
    ("redis_memory_limit_bytes", "Memory Redis may use; absent where there is no limit"),
    ("queue_backlog_invoices", "Invoices that wait, are in flight or are to be retried"),
    ("queue_waiting_chunks", "Chunks that no worker has"),
    ("queue_in_flight_chunks", "Chunks that a worker has"),
    ("queue_busy_workers", "Workers that have at least one chunk"),
    ("queue_retry_invoices", "Invoices whose retry is not due yet"),
    ("queue_next_retry_seconds", "Time until the next retry is due; absent where there is none"),
    ("queue_dead_letters", "Dead letters"),
    ("queue_oldest_age_seconds", "Age of the oldest chunk that waits or is in flight; 0 where there is none"),
    ("queue_paused", "1 while the queue is paused"),
];

impl Queue {
    /// Adds the queue's gauges to a role's metrics. Every process of a queue tells the same: of one queue's values take one, or the
    /// largest, never the sum.
    pub fn register(&self, registry: &mut Registry) {
        let queue = self.clone();
        let mut down = [None; GAUGES.len()];
        down[0] = Some(0.0);
        registry.ask(GAUGES, down, move || {
            let queue = queue.clone();
            async move { queue.measure().await.ok() }
        });
    }

    async fn measure(&self) -> Result<[Option<f64>; GAUGES.len()], Error> {
        let (backlog, memory, durability) = tokio::join!(self.backlog(), self.memory(), self.durability());
        // A provider may forbid to ask for these two.
        Ok(readings(&backlog?, memory.ok(), durability.unwrap_or_default(), Utc::now()))
    }
}

/// The values of [`GAUGES`], in their order.
fn readings(
    backlog: &Backlog,
    memory: Option<Memory>,
    durability: Durability,
    now: DateTime<Utc>,
) -> [Option<f64>; GAUGES.len()] {
    let number = |count: u64| Some(count as f64);
    let flag = |flag: bool| Some(f64::from(u8::from(flag)));
    // Redis' clock and ours differ.
    let between = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).as_seconds_f64().max(0.0);
    [
        Some(1.0),
        durability.append_only.and_then(flag),
        durability.last_write_succeeded.and_then(flag),
        durability.fsync.and_then(|fsync| flag(fsync == Fsync::Always)),
        memory.and_then(|memory| number(memory.used)),
        memory.and_then(|memory| memory.limit).and_then(number),
        number(backlog.invoices),
        number(backlog.waiting_chunks),
        number(backlog.in_flight_chunks),
        number(backlog.busy_consumers),
        number(backlog.retry_invoices),
        backlog.next_due.map(|due| between(now, due)),
        number(backlog.dead),
        Some(backlog.oldest.map_or(0.0, |oldest| between(oldest, now))),
        flag(backlog.paused),
    ]
}
