//! The way into the cluster's namespaces: this program starts itself again at each stage.
//!
//! 1. `enter`: dies with whoever asked for the cluster, moves into the control groups, leaves through `unshare
//!    --cgroup` so that they look like the roots,
//! 2. `split`: readies version 2 groups, leaves through `unshare` into network, mount and process namespaces of its own,
//! 3. `first`: process 1 of those, which starts the next stage and reaps all orphans,
//! 4. `boot`: starts Kubernetes and the command.
//!
//! Beside them stands `reap` (see `folder`).

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, getppid, set_parent_process_death_signal, wait};

use super::{boot, folder, groups::Groups, plan::Plan};

/// The hidden subcommand by which `cargo xtask cluster` starts itself again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    stage: Stage,
    folder: PathBuf,
}

/// A stage on the way into the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stage {
    /// Into the control groups.
    Enter,
    /// Into the other namespaces.
    Split,
    /// Process 1.
    First,
    /// Kubernetes and the command.
    Boot,
    /// Beside them: removes what the run leaves.
    Reap,
}

/// The arguments by which this program goes on at `stage` of the run in `folder`.
pub(crate) fn arguments(stage: Stage, folder: &Path) -> [OsString; 3] {
    let stage = match stage {
        Stage::Enter => "enter",
        Stage::Split => "split",
        Stage::First => "first",
        Stage::Boot => "boot",
        Stage::Reap => "reap",
    };
    ["cluster-stage".into(), stage.into(), folder.into()]
}

/// Does one stage. Returns the code to exit with.
pub(crate) async fn execute(args: Args) -> Result<ExitCode> {
    let folder = args.folder.as_path();
    match args.stage {
        Stage::Enter => enter(folder),
        Stage::Split => split(folder),
        Stage::First => first(folder),
        Stage::Boot => boot::execute(folder).await,
        Stage::Reap => folder::reap(folder).map(|()| ExitCode::SUCCESS),
    }
}

fn enter(folder: &Path) -> Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let owner = Plan::read(folder)?.owner;
    if getppid().map(Pid::as_raw_pid) != Some(owner) {
        bail!("whoever asked for the cluster is gone");
    }
    Groups::named(&folder::group_name(folder))?.enter()?;
    leave_through(&["--cgroup"], Stage::Split, folder)
}

fn split(folder: &Path) -> Result<ExitCode> {
    Groups::named(&folder::group_name(folder))?.delegate()?;
    let namespaces = ["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"];
    leave_through(&namespaces, Stage::First, folder)
}

/// Becomes `unshare`, which becomes, or starts, this program's next stage.
fn leave_through(namespaces: &[&str], next: Stage, folder: &Path) -> Result<ExitCode> {
    let mut unshare = Command::new("unshare");
    unshare.args(namespaces).arg("--").arg(env::current_exe()?).args(arguments(next, folder));
    Err(unshare.exec()).context("cannot run unshare")
}

fn first(folder: &Path) -> Result<ExitCode> {
    let boot = Command::new(env::current_exe()?).args(arguments(Stage::Boot, folder)).spawn()?;
    let boot = Pid::from_child(&boot);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == boot => {
                let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                return Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the cluster"),
        }
    }
}
