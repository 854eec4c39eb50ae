//! `caudal controller`: scales the workers of a cluster to the queue.

use std::time::Duration;

use anyhow::Context;
use axum::Router;
use caudal_controller::Metrics;
use caudal_telemetry::metrics::Registry;
use caudal_telemetry::ops::{self, Probes};
use tokio_util::sync::CancellationToken;

/// The controller's loop turns at least this often.
const STALLED: Duration = Duration::from_secs(30);

/// Settings of the controller.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    ops: ops::Options,
    #[command(flatten)]
    controller: caudal_controller::Options,
}

/// Scales until `shutdown`, then gives the leadership back.
pub(crate) async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let probes = Probes::watching(STALLED);
    let listener = options.ops.bind().await?;
    // The probes answer until the leadership is given back.
    let done = CancellationToken::new();
    let metrics = Metrics::default();
    let operators = ops::serve(listener, Router::new(), probes.clone(), registry(&metrics), done.clone());
    let control = async {
        let controlled = caudal_controller::run(&options.controller, &probes, &metrics, shutdown).await;
        done.cancel();
        controlled
    };
    let (controlled, served) = tokio::join!(control, operators);
    controlled?;
    served.context("the probes can no longer be answered")
}

/// All metrics of a controller.
pub(crate) fn registry(metrics: &Metrics) -> Registry {
    let mut registry = Registry::new("controller");
    metrics.register(&mut registry);
    registry
}
