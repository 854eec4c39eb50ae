//! The stages that lead into the namespaces, and the first process inside.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, getppid, set_parent_process_death_signal, wait};

use super::{
    super::{groups::Groups, plan::Plan},
    Stage, arguments, folder,
};

pub(super) fn enter(folder: &Path) -> Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let owner = Plan::read(folder)?.owner;
    if getppid().map(Pid::as_raw_pid) != Some(owner) {
        bail!("whoever asked for the cluster is gone");
    }
    Groups::named(&folder::group_name(folder))?.enter()?;
    leave_through(&["--cgroup"], Stage::Split, folder)
}

pub(super) fn split(folder: &Path) -> Result<ExitCode> {
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

pub(super) fn first(folder: &Path) -> Result<ExitCode> {
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
