//! What a worker counts.

use caudal_queue::Settlement;
use caudal_telemetry::metrics::{Counter, Counters, Histogram, LONG, Registry, SHORT};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::handler::{Answer, Verdict};

/// The counts of one worker. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    recorded: Counter,
    unchanged: Counter,
    retried: Counter,
    buried: Counters<1>,
    reclaimed: Counter,
    post_to_commit: Histogram,
    handling: Histogram,
    hung: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            recorded: Counter::default(),
            unchanged: Counter::default(),
            retried: Counter::default(),
            buried: Counters::new(["code"]),
            reclaimed: Counter::default(),
            post_to_commit: Histogram::new(LONG),
            handling: Histogram::new(SHORT),
            hung: Counter::default(),
        }
    }
}

impl Metrics {
    /// Adds them to a role's metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("recorded_invoices", "Invoices recorded", &self.recorded);
        let help = "Invoices that changed nothing: they stood already, or a newer version did";
        registry.register("unchanged_invoices", help, &self.unchanged);
        registry.register("retried_invoices", "Invoices that failed and are tried again later", &self.retried);
        registry.register("buried_invoices", "Invoices that became dead letters, by the reason's code", &self.buried);
        registry.register(
            "reclaimed_chunks",
            "Chunks taken over from workers that died or gave them back",
            &self.reclaimed,
        );
        let help = "Time from a chunk's admission, by the clock of Redis, to its commit, by the worker's";
        registry.register("post_to_commit_seconds", help, &self.post_to_commit);
        let help = "Time the handler took for a set of chunks, from its call to its answer";
        registry.register("handling_duration_seconds", help, &self.handling);
        registry.register("hung_sets", "Sets of chunks the handler gave no answer on in time", &self.hung);
    }

    /// The handler, called at `since`, has answered.
    pub(crate) fn handled(&self, since: Instant) {
        self.handling.observe(since.elapsed().as_secs_f64());
    }

    /// The handler has given no answer in time.
    pub(crate) fn hung(&self) {
        self.hung.inc();
    }

    /// The chunk received then was answered for by `now`; counts only where something of it was recorded.
    pub(crate) fn committed(&self, received_at: DateTime<Utc>, answer: &Answer, now: DateTime<Utc>) {
        let recorded = matches!(answer, Answer::Verdicts(verdicts) if verdicts.contains(&Verdict::Recorded));
        if recorded {
            // Two machines' clocks differ: what was committed before it was received took no time.
            let taken = (now - received_at).max(TimeDelta::zero());
            self.post_to_commit.observe(taken.as_seconds_f64());
        }
    }

    /// The queue has heard what became of a chunk.
    pub(crate) fn settled(&self, settlement: &Settlement) {
        self.recorded.inc_by(settlement.recorded.into());
        self.unchanged.inc_by(settlement.unchanged.into());
        self.retried.inc_by(settlement.retried.len() as u64);
        for rejected in &settlement.rejected {
            self.buried.add([rejected.code.clone().into()], rejected.count.into());
        }
    }

    /// So many chunks were taken over.
    pub(crate) fn reclaimed(&self, chunks: usize) {
        self.reclaimed.inc_by(chunks as u64);
    }
}

#[cfg(test)]
mod tests;
