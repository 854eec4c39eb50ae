//! The documents' commands for a cluster, run as they stand there by somebody who has a namespace and nothing else.

use std::fs;

use anyhow::{Context, Result, ensure};
use caudal_testkit::{documents, wait};

use super::kubectl::Namespace;
use super::place::Place;
use super::{RECORDED, notes, upheavals};
use crate::repository;

pub(super) const NEWCOMER: Namespace = Namespace("newcomer");
/// In the order in which one reads them.
const DOCUMENTS: [&str; 2] = ["README.md", "deploy/README.md"];
/// The word behind the language of their blocks.
const RUNNER: &str = "cluster";
/// By this a block is known that copies the queue, and by the next one that brings it back.
const COPIES: &str = "redis-cli --rdb";
const RESTORES: &str = "redis-cli replicaof";

/// Runs them all, and looks at what came of them.
///
/// # Errors
/// Which block failed, in its own words.
pub(crate) async fn run() -> Result<()> {
    NEWCOMER.create().await?;
    let place = Place::of(NEWCOMER).await?;
    let (mut said, mut scripts) = (String::new(), String::new());
    for document in DOCUMENTS {
        let text = fs::read_to_string(repository::root().join(document)).context(document)?;
        for block in documents::blocks(&text).iter().filter(|block| block.runner == RUNNER) {
            said += &obey(&place, &block.script).await.with_context(|| format!("{document}:\n{}", block.script))?;
            scripts += &block.script;
        }
    }
    ensure!(scripts.contains(COPIES) && scripts.contains(RESTORES), "no document copies the queue and brings it back");
    ensure!(said.contains("append-only file, synced always"), "the queue was not shown:\n{said}");
    for copy in ["queue.rdb", "ledger.dump"] {
        let size = fs::metadata(place.path().join(copy)).context(copy)?.len();
        ensure!(size > 0, "{copy} is empty");
    }
    let pin = NEWCOMER.run(&["get", "queuescaler/caudal-worker", "--output=jsonpath={.spec.replicas}"]).await?;
    ensure!(pin.is_empty(), "the pin is still there: {pin}");
    wait::until("a laptop's port leads to the API", RECORDED, async || {
        let addresses = "--output=jsonpath={.items[*].endpoints[*].addresses}";
        let led = ["get", "endpointslices", "--selector=kubernetes.io/service-name=caudal-laptop", addresses];
        match NEWCOMER.run(&led).await {
            Ok(addresses) if !addresses.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let told =
        ["successfully rolled out", "Phase:          Succeeded", "caudal-worker ", "1 facturas recibidas y encoladas"];
    notes::follow(&place, "helm", &told).await
}

/// Runs a script. One that restores the queue must bring back what there was when it was copied, and nothing else, and for good: also
/// for a server that starts anew.
async fn obey(place: &Place, script: &str) -> Result<String> {
    let redis = "kubectl exec statefulset/caudal-redis -- redis-cli";
    if script.contains(COPIES) {
        place.shell(&format!("{redis} set copied yes")).await?;
    }
    if !script.contains(RESTORES) {
        return place.shell(script).await;
    }
    place.shell(&format!("{redis} set not-copied yes")).await?;
    let said = place.shell(script).await?;
    upheavals::kill_store(NEWCOMER, "redis").await?;
    let held = place.shell(&format!("{redis} mget copied not-copied")).await?;
    ensure!(held == "yes\n\n", "the queue is not as it was when it was copied: {held:?}");
    Ok(said)
}
