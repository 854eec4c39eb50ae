//! `caudal worker`: records queued invoices in the ledger.

use anyhow::Context;
use axum::Router;
use caudal_ledger::Ledger;
use caudal_queue::Queue;
use caudal_telemetry::metrics::Registry;
use caudal_telemetry::ops;
use caudal_worker::{LedgerHandler, Metrics, Worker};
use tokio_util::sync::CancellationToken;

use super::Stores;

/// Settings of a worker.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    ops: ops::Options,
    /// The name of this pod or machine, for people
    #[arg(long, env = "HOSTNAME", default_value = "local", value_name = "NAME")]
    pod: String,
    #[command(flatten)]
    stores: Stores,
}

/// Works until `shutdown` and everything in flight is finished or given back.
pub(crate) async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (queue, ledger) = options.stores.open()?;
    let worker = Worker::new(&queue, &options.pod, LedgerHandler::new(ledger.clone()));
    let registry = registry(&worker.metrics(), &queue, &ledger);

    let listener = options.ops.bind().await?;
    // The probes answer until the last chunk is done.
    let done = CancellationToken::new();
    let operators = ops::serve(listener, Router::new(), worker.probes(), registry, done.clone());
    let work = async {
        worker.run(shutdown).await;
        ledger.close().await;
        done.cancel();
    };
    let ((), served) = tokio::join!(work, operators);
    served.context("the probes can no longer be answered")
}

/// All metrics of a worker of this queue on this ledger.
pub(crate) fn registry(metrics: &Metrics, queue: &Queue, ledger: &Ledger) -> Registry {
    let mut registry = Registry::new("worker");
    metrics.register(&mut registry);
    queue.register(&mut registry);
    ledger.register(&mut registry);
    registry
}
