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
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;

#[cfg(target_os = "linux")]
use super::boot;
use super::folder;

#[cfg(target_os = "linux")]
mod namespaces;

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
        Stage::Reap => folder::reap(folder).map(|()| ExitCode::SUCCESS),
        #[cfg(target_os = "linux")]
        Stage::Enter => namespaces::enter(folder),
        #[cfg(target_os = "linux")]
        Stage::Split => namespaces::split(folder),
        #[cfg(target_os = "linux")]
        Stage::First => namespaces::first(folder),
        #[cfg(target_os = "linux")]
        Stage::Boot => boot::execute(folder).await,
        #[cfg(not(target_os = "linux"))]
        _ => anyhow::bail!("a cluster with pods needs Linux"),
    }
}
