//! What the HTTP side counts.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use caudal_ledger::Ledger;
use caudal_queue::Queue;
use caudal_telemetry::metrics::{Counter, Counters, Histograms, Registry, SHORT};
use tokio::time::Instant;

use crate::answer::Answer;

/// The route of what matches none.
const NO_ROUTE: &str = "none";

/// What an answer counts for, beside its status; an answer carries it as an extension.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tally {
    /// A batch of so many invoices was taken in.
    Admitted(u64),
    /// The request was turned away for this reason.
    Refused(&'static str),
}

/// The counts of one API. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Counters<2>,
    duration: Histograms<1>,
    batches: Counter,
    invoices: Counter,
    refused: Counters<1>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Counters::new(["route", "status"]),
            duration: Histograms::new(["route"], &SHORT),
            batches: Counter::default(),
            invoices: Counter::default(),
            refused: Counters::new(["reason"]),
        }
    }
}

impl Metrics {
    fn register(&self, registry: &mut Registry) {
        let help = "Requests by route, `none` where there is no such route, and by the status they were answered with";
        registry.register("http_requests", help, &self.requests);
        let help = "Time from a request's headers to its answer";
        registry.register("http_request_duration_seconds", help, &self.duration);
        registry.register("admitted_batches", "Batches answered with 202", &self.batches);
        registry.register("admitted_invoices", "Invoices in the batches answered with 202", &self.invoices);
        registry.register("refused_requests", "Requests turned away, by reason", &self.refused);
    }

    /// Counts an answer to what became no request.
    pub(crate) fn refuse(&self, answer: &Answer) {
        if let Some(tally) = answer.tally() {
            self.tally(tally);
        }
    }

    fn tally(&self, tally: Tally) {
        match tally {
            Tally::Admitted(invoices) => {
                self.batches.inc();
                self.invoices.inc_by(invoices);
            }
            Tally::Refused(reason) => self.refused.add([reason.into()], 1),
        }
    }
}

/// All metrics of an API on this queue and this ledger.
pub fn registry(queue: &Queue, ledger: &Ledger) -> Registry {
    registry_with(&Metrics::default(), queue, ledger)
}

pub(crate) fn registry_with(metrics: &Metrics, queue: &Queue, ledger: &Ledger) -> Registry {
    let mut registry = Registry::new("api");
    metrics.register(&mut registry);
    queue.register(&mut registry);
    ledger.register(&mut registry);
    registry
}

/// Answers the request, and counts it.
pub(crate) async fn count(
    State(metrics): State<Arc<Metrics>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let since = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let status = response.status().as_str().to_owned();
    metrics.duration.observe([route.clone().into()], since.elapsed().as_secs_f64());
    metrics.requests.add([route.into(), status.into()], 1);
    if let Some(tally) = response.extensions().get::<Tally>() {
        metrics.tally(*tally);
    }
    response
}
