//! Starts the parts of the controller, and ends them in order: first nothing acts any more, then the Leases are given back.

use std::sync::Arc;

use caudal_telemetry::ops::Probes;
use kube::Client;
use kube::runtime::events::Reporter;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::Error;
use crate::herd;
use crate::lease::Leases;
use crate::options::Options;
use crate::rival::Rivals;
use crate::scaler::Context;
use crate::source::Sources;
use crate::target::MANAGER;

/// Runs the controller until `shutdown` on the cluster that the service account or the kubeconfig leads to. Ready once it knows all
/// QueueScalers it looks after, leading or standing by.
///
/// # Errors
/// `NoCluster` and `Broken`. An API server that is away later is no error: the controller waits for it.
pub async fn run(options: &Options, probes: &Probes, shutdown: CancellationToken) -> Result<(), Error> {
    let client = Client::try_default().await.map_err(Error::NoCluster)?;
    run_on(client, options, probes, shutdown).await
}

/// Runs the controller until `shutdown` on the cluster of this client.
///
/// # Errors
/// `Broken`.
pub async fn run_on(
    client: Client,
    options: &Options,
    probes: &Probes,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let home = client.default_namespace().to_owned();
    let acting = CancellationToken::new();
    let identity = format!("{}_{}", options.pod, Uuid::new_v4());
    let leases = Leases::new(client.clone(), identity, acting.clone());
    let context = Arc::new(Context {
        release_lease: leases.stand(&home, &options.release, None),
        release: options.release.clone(),
        sources: Sources::new(client.clone()),
        reporter: Reporter { controller: MANAGER.to_owned(), instance: Some(options.pod.clone()) },
        leases,
        client: client.clone(),
    });

    let (listing, mut all_listed) = mpsc::channel::<()>(1);
    let mut parts = JoinSet::new();
    for scope in options.scopes(&home) {
        let rivals = Rivals::new();
        let herd = herd::Herd::new(Arc::clone(&context), rivals.known());
        parts.spawn(rivals.watch(client.clone(), scope.clone(), shutdown.clone()));
        parts.spawn(herd.run(scope, listing.clone(), probes.clone(), shutdown.clone()));
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
