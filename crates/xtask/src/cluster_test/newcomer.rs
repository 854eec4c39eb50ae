//! The documents' commands for a cluster, run as they stand there by somebody who has a namespace and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use caudal_testkit::{documents, wait};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::RECORDED;
use super::kubectl::Namespace;
use crate::repository;

pub(super) const NEWCOMER: Namespace = Namespace("newcomer");
/// In the order in which one reads them.
const DOCUMENTS: [&str; 2] = ["README.md", "deploy/README.md"];
/// The word behind the language of their blocks.
const RUNNER: &str = "cluster";
/// How long a block may take: longer than `helm install --wait`, which tells then what it waits for.
const BLOCK: Duration = Duration::from_secs(420);

/// Runs them all, and looks at what came of them.
///
/// # Errors
/// Which block failed, in its own words.
pub(crate) async fn run() -> Result<()> {
    NEWCOMER.create().await?;
    let place = place().await?;
    let mut said = String::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(repository::root().join(document)).context(document)?;
        for block in documents::blocks(&text).iter().filter(|block| block.runner == RUNNER) {
            said +=
                &shell(&block.script, place.path()).await.with_context(|| format!("{document}:\n{}", block.script))?;
        }
    }
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
    follow_notes(place.path()).await
}

/// What `helm install` told to do next.
async fn follow_notes(place: &Path) -> Result<()> {
    let notes = shell("helm get notes caudal", place).await?;
    let mut said = String::new();
    for block in indented(&notes) {
        said += &match block.trim_end() {
            watch if watch.ends_with("--watch") => first_words(watch, place).await.with_context(|| block.clone())?,
            // What it leaves in the background ends with it.
            forward if forward.contains(" &\n") => {
                shell(&format!("{forward}\nkill $!"), place).await.with_context(|| block.clone())?
            }
            script => shell(script, place).await.with_context(|| block.clone())?,
        };
    }
    for wanted in
        ["successfully rolled out", "Phase:          Succeeded", "caudal-worker ", "1 facturas recibidas y encoladas"]
    {
        ensure!(said.contains(wanted), "the notes' commands do not tell {wanted:?}:\n{said}");
    }
    Ok(())
}

/// The commands among the notes: what stands together three spaces in.
fn indented(notes: &str) -> Vec<String> {
    let lines: Vec<Option<&str>> = notes.lines().map(|line| line.strip_prefix("   ")).collect();
    let blocks = lines.split(Option::is_none).filter(|block| !block.is_empty());
    blocks.map(|block| block.iter().flatten().map(|line| format!("{line}\n")).collect()).collect()
}

/// What a command that goes on for ever says first.
async fn first_words(command: &str, place: &Path) -> Result<String> {
    let mut child = sh(command, place).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let (head, row) = timeout(BLOCK, async { Ok::<_, Error>((lines.next_line().await?, lines.next_line().await?)) })
        .await
        .context("it says nothing")??;
    child.kill().await?;
    Ok([head, row].into_iter().flatten().collect())
}

/// A folder with what the commands name, and a way to the cluster whose namespace is the newcomer's.
async fn place() -> Result<tempfile::TempDir> {
    let place = tempfile::tempdir()?;
    for name in ["charts", "deploy"] {
        symlink(repository::root().join(name), place.path().join(name))?;
    }
    let known = NEWCOMER.run(&["config", "view", "--raw", "--flatten", "--minify"]).await?;
    fs::write(place.path().join(KUBECONFIG), known)?;
    shell("kubectl config set-context --current --namespace newcomer", place.path()).await?;
    Ok(place)
}

const KUBECONFIG: &str = "kubeconfig";

async fn shell(script: &str, place: &Path) -> Result<String> {
    let ended = timeout(BLOCK, sh(script, place).output()).await.context("it did not end")??;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    ensure!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    Ok(said)
}

fn sh(script: &str, place: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(place).env("KUBECONFIG", place.join(KUBECONFIG)).kill_on_drop(true);
    command
}
