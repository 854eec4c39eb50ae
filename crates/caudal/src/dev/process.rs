//! A role of Caudal running as a process of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use super::screen::Screen;

/// How long a process may take to finish its work after the signal; longer than a worker's own grace.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running role; killed if it is dropped without [`Process::stop`].
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    output: JoinHandle<()>,
}

impl Process {
    /// Starts this very executable with these arguments and environment; its log appears on the screen under `name`.
    pub(super) fn start(
        name: String,
        arguments: &[&str],
        environment: &[(&'static str, String)],
        screen: &Screen,
    ) -> anyhow::Result<Self> {
        let mut child = this_program()?
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C goes to this process alone, which then stops the others in their order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("the {name} does not start"))?;
        let stderr = child.stderr.take().context("the process has no error output")?;
        let output = tokio::spawn(pass_on(stderr, name.clone(), screen.clone()));
        Ok(Self { name, child, output })
    }

    /// Whether the process still runs.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the process to end by itself, which is an error.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait().await?;
        bail!("the {} ended by itself: {status}", self.name)
    }

    /// Asks the process to finish and waits until it has; after 30 s it is killed.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.child.id() {
            // It may have ended this moment: then there is nothing to signal.
            let _ = kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM);
        }
        if tokio::time::timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            self.child.kill().await.with_context(|| format!("the {} cannot be killed", self.name))?;
        }
        self.output.await.with_context(|| format!("the log of the {} was not passed on", self.name))
    }
}

/// The program that runs here. Linux knows it also when it has been built anew meanwhile, and tells it to finish should this process
/// be killed.
fn this_program() -> anyhow::Result<Command> {
    if !cfg!(target_os = "linux") {
        return Ok(Command::new(std::env::current_exe().context("the path of this executable is not known")?));
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(format!("/proc/{}/exe", std::process::id()));
    Ok(command)
}

async fn pass_on(stderr: ChildStderr, name: String, screen: Screen) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        screen.log(&name, &line);
    }
}
