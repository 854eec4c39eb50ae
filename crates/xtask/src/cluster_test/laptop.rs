//! What `tilt up` brings: the values, the image and the buttons that the Tiltfile declares, without Tilt itself.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use caudal_testkit::wait;
use tokio::process::Command;

use super::client::Client;
use super::kubectl::{self, Namespace};
use super::{START, none_left};
use crate::image;
use crate::repository;
use crate::tilt::Tiltfile;

pub(super) const LAPTOP: Namespace = Namespace("default");
const API: &str = "http://caudal.default.svc.cluster.local";
/// What the button sends.
const BURST: &str = "10000";
const RECORDED: Duration = Duration::from_secs(180);

/// Brings it up, presses both buttons, and looks whether all of the burst is recorded.
///
/// # Errors
/// What did not come up, or is missing in the ledger.
pub(crate) async fn up(tiltfile: &Tiltfile) -> Result<()> {
    let root = repository::root();
    for manifest in tiltfile.calls("k8s_yaml").flat_map(|call| call.texts("yaml")) {
        LAPTOP.run(&["apply", "--server-side", "--filename", &root.join(manifest).display().to_string()]).await?;
    }
    let tag = format!("image.tag={}", image::LAPTOP_TAG);
    let chart = root.join("charts/caudal").display().to_string();
    let values: Vec<String> = tiltfile.values().iter().map(|file| format!("--values={}", file.display())).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let install = ["install", "caudal", &chart, "--namespace", LAPTOP.0, "--skip-crds", "--set", &tag];
    kubectl::helm(&[&install, values.as_slice()].concat()).await?;
    declared_ones_are_there(tiltfile).await?;
    LAPTOP.rolled_out("deployment/caudal-api", START).await?;
    Client::reaching(API).await?;
    none_left(LAPTOP).await?;
    button(tiltfile, "burst", &root).await?;
    let ready = LAPTOP.reached("deployment/caudal-worker", "{.status.readyReplicas}", START);
    ready.await.context("the burst brought no worker")?;
    let said = button(tiltfile, "kill", &root).await?;
    ensure!(said.contains("deleted"), "nobody was killed: {said}");
    recorded().await?;
    none_left(LAPTOP).await?;
    kubectl::helm(&["uninstall", "caudal", "--namespace", LAPTOP.0, "--wait"]).await.map(drop)
}

/// Each workload that the Tiltfile speaks of, with the ports that it forwards.
async fn declared_ones_are_there(tiltfile: &Tiltfile) -> Result<()> {
    for resource in tiltfile.calls("k8s_resource").filter(|call| !call.text("workload").is_empty()) {
        let name = resource.text("workload");
        let ports = ["--output=jsonpath={.items[*].spec.template.spec.containers[*].ports[*].containerPort}"];
        let field = format!("--field-selector=metadata.name={name}");
        let found = LAPTOP.run(&[&["get", "deployments,statefulsets", &field], ports.as_slice()].concat()).await?;
        ensure!(!found.is_empty(), "the Tiltfile speaks of {name}, which the chart does not make");
        let open: Vec<&str> = found.split_whitespace().collect();
        for forward in resource.texts("port_forwards") {
            let port = forward.rsplit(':').next().unwrap_or(&forward);
            ensure!(open.contains(&port), "{name} has the ports {open:?}, and {forward} is forwarded");
        }
    }
    Ok(())
}

/// Presses a button: its command, with the API where the cluster has it instead of at a forwarded port.
/// Returns what it said.
async fn button(tiltfile: &Tiltfile, name: &str, root: &Path) -> Result<String> {
    let argv = tiltfile.button(name)?;
    let (program, arguments) = argv.split_first().context("a button without a command")?;
    let arguments = arguments.iter().map(|argument| argument.replace("http://localhost:8001", API));
    let pressed = Command::new(program).args(arguments).current_dir(root).output().await?;
    let said = format!("{}{}", String::from_utf8_lossy(&pressed.stdout), String::from_utf8_lossy(&pressed.stderr));
    ensure!(pressed.status.success(), "the button {name}: {said}");
    Ok(said)
}

async fn recorded() -> Result<()> {
    wait::until("all of the burst is recorded", RECORDED, async || {
        match LAPTOP.query("select count(*) from invoices").await {
            Ok(count) if count == BURST => Ok(()),
            Ok(count) => Err(count),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await
    .context("the burst")
}
