//! Starts the parts of the controller, and ends them in order: first nothing acts any more, then the Leases are given back.

use std::sync::Arc;

use caudal_telemetry::ops::Probes;
use kube::runtime::events::Reporter;
use kube::{Client, Config};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::Error;
use crate::gate::gated;
use crate::herd::Herd;
use crate::lease::Leases;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::scaler::Context;
use crate::source::Sources;
use crate::surroundings::Surroundings;
use crate::target::MANAGER;

/// How many statuses and events are written at a time, of all requests that are allowed at a time.
const TELLING_AT_A_TIME: usize = 2;

/// Runs the controller until `shutdown` on the cluster that the service account or the kubeconfig leads to. Ready once it knows all
/// QueueScalers it looks after, leading or standing by.
///
/// # Errors
/// `NoCluster` and `Broken`. An API server that is away later is no error: the controller waits for it.
pub async fn run(
    options: &Options,
    probes: &Probes,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut config = Config::infer().await.map_err(|error| Error::NoCluster(kube::Error::InferConfig(error)))?;
    // What is asked again is decided anew first.
    config.default_retry = false;
    let client = Client::try_from(config).map_err(Error::NoCluster)?;
    run_on(client, options, probes, metrics, shutdown).await
}

/// Runs the controller until `shutdown` on the cluster of this client.
///
/// # Errors
/// `Broken`.
pub async fn run_on(
    client: Client,
    options: &Options,
    probes: &Probes,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let (home, acting) = (client.default_namespace().to_owned(), CancellationToken::new());
    let context = context(client, options, probes, metrics, acting.clone());
    let (listing, mut all_listed) = mpsc::channel::<()>(1);
    let mut parts = JoinSet::new();
    for scope in options.scopes(&home) {
        let surroundings = Surroundings::default();
        surroundings.watch(&mut parts, &context.client, scope.as_deref(), &shutdown);
        let herd = Herd::new(Arc::clone(&context), surroundings);
        parts.spawn(herd.run(scope, listing.clone(), shutdown.clone()));
    }
    drop(listing);
    tokio::select! {
        _ = all_listed.recv() => probes.ready(),
        () = shutdown.cancelled() => {}
    }
    let mut done = Ok(());
    while let Some(ended) = parts.join_next().await {
        if let Err(error) = ended {
            shutdown.cancel();
            done = Err(Error::Broken(error));
        }
    }
    probes.unready("ending");
    acting.cancel();
    context.leases.finished().await;
    done
}

/// What all tasks have in common. The Leases are given back when nothing is `acting` any more.
fn context(
    client: Client,
    options: &Options,
    probes: &Probes,
    metrics: &Metrics,
    acting: CancellationToken,
) -> Arc<Context> {
    let home = client.default_namespace();
    let identity = format!("{}_{}", options.pod, Uuid::new_v4());
    let owner = options.owner().map(|owner| (home.to_owned(), owner));
    // The Leases wait for nothing else.
    let leases = Leases::new(client.clone(), identity, owner, metrics.clone(), acting);
    let (release_lease, client) = (leases.stand(home, &options.release, None), gated(client));
    Arc::new(Context {
        release: options.release.clone(),
        sources: Sources::new(client.clone()),
        reporter: Reporter { controller: MANAGER.to_owned(), instance: Some(options.pod.clone()) },
        leases,
        release_lease,
        client,
        metrics: metrics.clone(),
        probes: probes.clone(),
        begun: Instant::now(),
        telling: Semaphore::new(TELLING_AT_A_TIME),
    })
}
