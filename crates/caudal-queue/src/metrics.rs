//! What can be measured of the queue and its Redis, asked for when somebody reads the metrics.

use caudal_telemetry::metrics::Registry;

use crate::{Backlog, Queue};

const GAUGES: [(&str, &str); 6] = [
    ("redis_up", "1 while Redis answers, else 0: every other gauge of the queue and of Redis is absent then"),
    ("queue_backlog_invoices", "Invoices that wait, are in flight or are to be retried"),
    ("queue_waiting_chunks", "Chunks that no worker has"),
    ("queue_in_flight_chunks", "Chunks that a worker has"),
    ("queue_busy_workers", "Workers that have at least one chunk"),
    ("queue_dead_letters", "Dead letters"),
];
const DOWN: [Option<f64>; GAUGES.len()] = [Some(0.0), None, None, None, None, None];

impl Queue {
    /// Adds the queue's gauges to a role's metrics. Every process of a queue tells the same: of one queue's values take one, or the
    /// largest, never the sum.
    pub fn register(&self, registry: &mut Registry) {
        let queue = self.clone();
        registry.ask(GAUGES, DOWN, move || {
            let queue = queue.clone();
            async move { queue.backlog().await.ok().map(|backlog| readings(&backlog)) }
        });
    }
}

fn readings(backlog: &Backlog) -> [Option<f64>; GAUGES.len()] {
    let Backlog { invoices, waiting_chunks, in_flight_chunks, busy_consumers, dead, .. } = *backlog;
    [1, invoices, waiting_chunks, in_flight_chunks, busy_consumers, dead].map(|count| Some(count as f64))
}
