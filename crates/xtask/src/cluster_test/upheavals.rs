//! What happens to an installation in its life, each while invoices come in: an upgrade with a migration, a rollback, killed pods,
//! stores that die and come back from their volumes, a drained node.

use std::time::Duration;

use anyhow::{Result, ensure};
use caudal_testkit::wait;
use serde_json::json;

use super::kubectl::{self, Namespace, Pod};
use super::{START, WORKERS, load};
use crate::cluster::Steps;
use crate::image;

/// How long a drain may wait for pods that a budget protects.
const DRAIN: Duration = Duration::from_secs(25);
/// The roles that are there while nothing waits.
const RELEASED: [&str; 2] = ["api", "controller"];
/// How many workers a waiting slice is made to need.
const MANY: usize = 5;

/// Sends all slices, and all that happens to the installation happens meanwhile. Answers how many were sent.
///
/// # Errors
/// What did not come back, or was not accepted.
pub(crate) async fn run(namespace: Namespace, chart: &str, api: &str, steps: &mut Steps) -> Result<usize> {
    undisturbed(load::send_during(namespace, api, 0, upgrade(namespace, chart)).await?)?;
    steps.done("upgraded, with a migration, under load");
    undisturbed(load::send_during(namespace, api, 1, kill_roles(namespace)).await?)?;
    steps.done("pods of all roles killed under load");
    undisturbed(load::send_during(namespace, api, 2, rollback(namespace)).await?)?;
    steps.done("rolled back under load");
    for (slice, store) in [(3, "redis"), (4, "postgresql")] {
        undisturbed(load::send_during(namespace, api, slice, kill_store(namespace, store)).await?)?;
        steps.done(&format!("{store} killed under load, back from its volume"));
    }
    // The sender's own pod stands on the node too.
    let failures = load::send_during(namespace, api, 5, drain(namespace)).await?;
    steps.done(&format!("node drained under load; the sender began anew {} times: {failures:?}", failures.len()));
    undisturbed(load::send_during(namespace, api, 6, kill_roles(namespace)).await?)?;
    steps.done("pods of all roles killed under load, again");
    undisturbed(many_from_none(namespace, api, 7).await?)?;
    steps.done("workers 0 -> many, straight to the number needed");
    ensure!(load::SLICES == 8, "not all slices were sent");
    Ok(load::SLICES)
}

/// A sender that nobody touched must not have had to begin anew.
fn undisturbed(failures: Vec<String>) -> Result<()> {
    ensure!(failures.is_empty(), "the sender had to begin anew: {}", failures.join("; "));
    Ok(())
}

/// A slice that waits while workers are pinned at none brings as many at once as it needs.
async fn many_from_none(namespace: Namespace, api: &str, slice: usize) -> Result<Vec<String>> {
    let scaler = "queuescaler/caudal-worker";
    let worth = json!({ "spec": { "target": { "backlogPerReplica": load::SLICE / MANY } } }).to_string();
    namespace.run(&["patch", scaler, "--type=merge", "--patch", &worth]).await?;
    namespace.run(&["scale", scaler, "--replicas=0"]).await?;
    namespace.scaled_to_zero("deployment/caudal-worker", START).await?;
    let failures = load::send_at_once(namespace, api, slice).await?;
    let let_go = r#"[{"op": "remove", "path": "/spec/replicas"}]"#;
    namespace.run(&["patch", scaler, "--type=json", "--patch", let_go]).await?;
    wait::until("many workers are Ready", START, async || {
        let pods = namespace.pods(WORKERS).await.map_err(|error| format!("{error:#}"))?;
        let ready = pods.iter().filter(|pod| pod.is_ready).count();
        if ready >= MANY { Ok(()) } else { Err(format!("{} pods, {ready} of them Ready", pods.len())) }
    })
    .await?;
    Ok(failures)
}

/// The next release: another configuration, and tables that it alone knows.
async fn upgrade(namespace: Namespace, chart: &str) -> Result<()> {
    let tag = format!("image.tag={}", image::NEXT_TAG);
    let set = ["--reuse-values", "--set", &tag, "--set", "api.maxBacklog=900000"];
    kubectl::helm(&[&["upgrade", "caudal", chart, "--namespace", namespace.0], set.as_slice()].concat()).await?;
    let migrated = wait::until("the migration is applied", START, async || {
        let found = namespace.query("select to_regclass('next_release') is not null").await;
        match found {
            Ok(found) if found == "t" => Ok(()),
            Ok(found) => Err(found),
            Err(error) => Err(format!("{error:#}")),
        }
    });
    migrated.await?;
    runs(namespace, image::NEXT_VERSION).await
}

/// Waits until pods of this release are there, and no others.
async fn runs(namespace: Namespace, version: &str) -> Result<()> {
    for role in RELEASED {
        namespace.rolled_out(&format!("deployment/caudal-{role}"), START).await?;
        let pods = namespace.pods(&of(role)).await?;
        ensure!(pods.iter().any(|pod| pod.is_ready && !pod.is_ending), "no {role} is there: {pods:?}");
        for pod in pods.iter().filter(|pod| !pod.is_ending) {
            let said = namespace.run(&["exec", &pod.name, "--", "/caudal", "--version"]).await?;
            ensure!(said == format!("caudal {version}"), "{} is of {said}, and not of {version}", pod.name);
        }
    }
    Ok(())
}

/// The release before, on the tables of the next one.
async fn rollback(namespace: Namespace) -> Result<()> {
    kubectl::helm(&["rollback", "caudal", "1", "--namespace", namespace.0]).await?;
    runs(namespace, env!("CARGO_PKG_VERSION")).await
}

async fn kill_roles(namespace: Namespace) -> Result<()> {
    for role in ["worker", "controller", "api"] {
        kill(namespace, role, &["--grace-period=0", "--force"]).await?;
    }
    Ok(())
}

/// Without force: that would start the next server on the volume before the one before it has ended, and PostgreSQL, which cannot see
/// it from another pod, would lose what either confirms.
pub(super) async fn kill_store(namespace: Namespace, store: &str) -> Result<()> {
    kill(namespace, store, &["--grace-period=1"]).await
}

/// Kills what there is of a component, and waits for other pods in their place.
async fn kill(namespace: Namespace, component: &str, how: &[&str]) -> Result<()> {
    let selector = of(component);
    let before = namespace.pods(&selector).await?;
    ensure!(!before.is_empty(), "there was no {component} to kill");
    namespace.run(&[&["delete", "pods", "--selector", &selector], how].concat()).await?;
    replaced(namespace, component, &before).await
}

/// Waits until none of these pods is there, and others are Ready.
async fn replaced(namespace: Namespace, component: &str, before: &[Pod]) -> Result<()> {
    let what = format!("other pods are in the place of {component}'s");
    wait::until(&what, START, async || {
        let now = namespace.pods(&of(component)).await.map_err(|error| format!("{error:#}"))?;
        let other = !now.is_empty() && now.iter().all(|pod| pod.is_ready && !was_there(pod, before));
        if other { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await?;
    Ok(())
}

fn was_there(pod: &Pod, before: &[Pod]) -> bool {
    before.iter().any(|known| known.identity == pod.identity)
}

fn of(component: &str) -> String {
    format!("app.kubernetes.io/component={component}")
}

/// There is no other node: what a budget protects stays, and the rest comes back when the node takes pods again.
async fn drain(namespace: Namespace) -> Result<()> {
    let (redis, postgresql) = (namespace.pods(&of("redis")).await?, namespace.pods(&of("postgresql")).await?);
    let api = namespace.pods(&of("api")).await?;
    let node = namespace.run(&["get", "nodes", "--output=name"]).await?;
    let limit = format!("--timeout={}s", DRAIN.as_secs());
    let drain = ["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", &limit];
    let drained = namespace.within(DRAIN * 2, &drain).await;
    let cordoned = namespace.run(&["get", &node, "--output=jsonpath={.spec.unschedulable}"]).await?;
    ensure!(cordoned == "true", "the node was not drained: {drained:?}");
    let stayed = namespace.pods(&of("api")).await?.iter().any(|pod| pod.is_ready && was_there(pod, &api));
    ensure!(stayed, "no API was left while the node was drained: {drained:?}");
    namespace.run(&["uncordon", &node]).await?;
    replaced(namespace, "redis", &redis).await?;
    replaced(namespace, "postgresql", &postgresql).await?;
    namespace.rolled_out("deployment/caudal-api", START).await
}
