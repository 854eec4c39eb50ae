//! Where somebody sits who has a namespace, a clone of the repository and nothing else, and what they type there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::kubectl::Namespace;
use crate::repository;

const KUBECONFIG: &str = "kubeconfig";
/// How long a script may take: longer than `helm install --wait`, which tells then what it waits for.
const SCRIPT: Duration = Duration::from_secs(420);

/// A folder with what the documents' commands name, and a way to the cluster whose namespace is theirs.
#[derive(Debug)]
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) async fn of(namespace: Namespace) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["charts", "deploy"] {
            symlink(repository::root().join(name), folder.path().join(name))?;
        }
        let known = namespace.run(&["config", "view", "--raw", "--flatten", "--minify"]).await?;
        fs::write(folder.path().join(KUBECONFIG), known)?;
        let place = Self(folder);
        place.shell(&format!("kubectl config set-context --current --namespace {}", namespace.0)).await?;
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a script and returns what it said.
    ///
    /// # Errors
    /// All that it said, if any of its commands failed.
    pub(super) async fn shell(&self, script: &str) -> Result<String> {
        let ended = timeout(SCRIPT, self.sh(script).output()).await.context("it did not end")??;
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        ensure!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
        Ok(said)
    }

    /// The first lines, so many, of what a command says that goes on for ever.
    ///
    /// # Errors
    /// It said less.
    pub(super) async fn first_lines(&self, command: &str, count: usize) -> Result<String> {
        let mut child = self.sh(command).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let first = async {
            let mut said = String::new();
            for _ in 0..count {
                said += &lines.next_line().await?.context("it says no more")?;
                said.push('\n');
            }
            Ok::<_, Error>(said)
        };
        let said = timeout(SCRIPT, first).await.context("it says nothing")??;
        child.kill().await?;
        Ok(said)
    }

    fn sh(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(self.path()).env("KUBECONFIG", self.path().join(KUBECONFIG));
        command.kill_on_drop(true);
        command
    }
}
