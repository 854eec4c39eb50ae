//! What happens to an installation in its life, each while invoices come in: an upgrade with a migration, a rollback, killed pods,
//! stores that die and come back from their volumes, a drained node.

use std::time::Duration;

use anyhow::{Result, ensure};
use caudal_testkit::wait;

use super::kubectl::{self, Namespace};
use super::{START, load};
use crate::cluster::Steps;
use crate::image;

/// How long a drain may wait for pods that a budget protects.
const DRAIN: Duration = Duration::from_secs(25);

/// Sends all slices, and all that happens to the installation happens meanwhile. Answers how many were sent.
///
/// # Errors
/// What did not come back, or was not accepted.
pub(crate) async fn run(namespace: Namespace, chart: &str, api: &str, steps: &mut Steps) -> Result<usize> {
    let mut slice = 0;
    let mut slices = || {
        slice += 1;
        slice - 1
    };
    tokio::try_join!(load::send(namespace, api, slices()), upgrade(namespace, chart))?;
    steps.done("upgraded, with a migration, under load");
    tokio::try_join!(load::send(namespace, api, slices()), kill_roles(namespace))?;
    steps.done("pods of all roles killed under load");
    tokio::try_join!(load::send(namespace, api, slices()), rollback(namespace))?;
    steps.done("rolled back under load");
    for store in ["redis", "postgresql"] {
        tokio::try_join!(load::send(namespace, api, slices()), kill_store(namespace, store))?;
        steps.done(&format!("{store} killed under load, back from its volume"));
    }
    let pods = tokio::try_join!(load::send(namespace, api, slices()), drain(namespace))?.0;
    steps.done(&format!("node drained under load, {pods} pods to send a slice"));
    tokio::try_join!(load::send(namespace, api, slices()), kill_roles(namespace))?;
    load::send(namespace, api, slices()).await?;
    steps.done("all slices are accepted");
    ensure!(slice == load::SLICES, "{slice} slices were sent");
    Ok(slice)
}

/// The next release: another configuration, and tables that it alone knows.
async fn upgrade(namespace: Namespace, chart: &str) -> Result<()> {
    let tag = format!("image.tag={}", image::NEXT_TAG);
    let set = ["--reuse-values", "--set", &tag, "--set", "api.maxBacklog=900000"];
    kubectl::helm(&[&["upgrade", "caudal", chart, "--namespace", namespace.0], set.as_slice()].concat()).await?;
    namespace.rolled_out("deployment/caudal-api", START).await?;
    let migrated = wait::until("the migration is applied", START, async || {
        let found = namespace.query("select to_regclass('next_release') is not null").await;
        match found {
            Ok(found) if found == "t" => Ok(()),
            Ok(found) => Err(found),
            Err(error) => Err(format!("{error:#}")),
        }
    });
    Ok(migrated.await?)
}

/// The release before, on the tables of the next one.
async fn rollback(namespace: Namespace) -> Result<()> {
    kubectl::helm(&["rollback", "caudal", "1", "--namespace", namespace.0]).await?;
    namespace.rolled_out("deployment/caudal-api", START).await?;
    namespace.rolled_out("deployment/caudal-controller", START).await
}

async fn kill_roles(namespace: Namespace) -> Result<()> {
    for role in ["worker", "controller", "api"] {
        kill(namespace, role).await?;
    }
    namespace.rolled_out("deployment/caudal-api", START).await
}

async fn kill_store(namespace: Namespace, store: &str) -> Result<()> {
    kill(namespace, store).await?;
    namespace.rolled_out(&format!("statefulset/caudal-{store}"), START).await
}

async fn kill(namespace: Namespace, component: &str) -> Result<()> {
    let selector = format!("app.kubernetes.io/component={component}");
    namespace.run(&["delete", "pods", "--selector", &selector, "--grace-period=0", "--force"]).await.map(drop)
}

/// There is no other node: what a budget protects stays, and the rest comes back when the node takes pods again.
async fn drain(namespace: Namespace) -> Result<()> {
    let node = namespace.run(&["get", "nodes", "--output=name"]).await?;
    let limit = format!("--timeout={}s", DRAIN.as_secs());
    let drain = ["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", &limit];
    let drained = namespace.within(DRAIN * 2, &drain).await;
    let cordoned = namespace.run(&["get", &node, "--output=jsonpath={.spec.unschedulable}"]).await?;
    ensure!(cordoned == "true", "the node was not drained: {drained:?}");
    namespace.run(&["uncordon", &node]).await?;
    for workload in ["statefulset/caudal-redis", "statefulset/caudal-postgresql", "deployment/caudal-api"] {
        namespace.rolled_out(workload, START).await?;
    }
    Ok(())
}
