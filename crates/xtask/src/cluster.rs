//! `cargo xtask cluster -- CMD`: a command inside a real, disposable Kubernetes of one node.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use caudal_testkit::{ControlPlane, programs};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    command, packages,
    tools::{self, Tool},
};
use folder::Folder;
pub(crate) use steps::Steps;

mod folder;
pub(crate) mod stage;
mod steps;

#[cfg(target_os = "linux")]
mod boot;
#[cfg(target_os = "linux")]
mod components;
#[cfg(target_os = "linux")]
mod groups;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod real;

/// How long an interrupted command may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// What `cargo xtask cluster` understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    /// The command, run with KUBECONFIG set, kubectl and helm in PATH, and inside the node's network.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// What a cluster is to have.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// An archive (docker or OCI) to import before the command is run; may be repeated.
    #[arg(long = "image", value_name = "FILE")]
    pub(crate) images: Vec<PathBuf>,
    /// How many volumes without a class there are to claim.
    #[arg(long, default_value_t = 4)]
    pub(crate) volumes: u32,
    /// Only etcd and kube-apiserver, on 127.0.0.1: no pods, no root.
    #[arg(long)]
    pub(crate) control_plane_only: bool,
    /// A folder that keeps the logs of the cluster's parts.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) logs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { images: Vec::new(), volumes: 4, control_plane_only: false, logs: None }
    }
}

/// Does what `args` say. Returns the command's own code.
pub(crate) async fn execute(args: Args) -> Result<ExitCode> {
    let Some((program, arguments)) = args.command.split_first() else {
        bail!("no command");
    };
    let mut command = Command::new(program);
    command.args(arguments);
    run(&args.options, &command).await.map(command::code)
}

/// Why this machine can have no cluster with pods, if it cannot.
pub(crate) fn missing() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        Some("it needs Linux")
    } else if !rustix::process::geteuid().is_root() {
        Some("it needs root")
    } else if !tools::can_build() {
        Some("it needs Go")
    } else {
        None
    }
}

/// Makes a cluster, runs `command` in it (program, arguments and variables count) and returns how that ended. Nothing
/// of the cluster is left then, and nothing is left when the caller is killed.
///
/// # Errors
/// The cluster could not be made or broke while the command ran.
pub(crate) async fn run(options: &Options, command: &Command) -> Result<ExitStatus> {
    if options.control_plane_only {
        return control_plane(options, command).await;
    }
    if let Some(reason) = missing() {
        bail!("no cluster on this machine: {reason}");
    }
    #[cfg(target_os = "linux")]
    return real::run(options, command).await;
    #[cfg(not(target_os = "linux"))]
    bail!("no cluster on this machine");
}

async fn control_plane(options: &Options, command: &Command) -> Result<ExitStatus> {
    if env::var_os("KUBEBUILDER_ASSETS").is_none() {
        packages::provide(&packages::ETCD)?;
        tools::ensure(Tool::ControlPlane)?;
    }
    let mut steps = Steps::begin();
    let folder = Folder::new()?;
    let plane = ControlPlane::start_in(folder.path()).await?;
    steps.done("control plane answers");
    let mut bound = caudal_testkit::bound_to_parent(command);
    environment(&mut bound, folder.path(), plane.kubeconfig());
    let status = until_it_ends(bound).await?;
    drop(plane);
    keep_logs(options, folder.path())?;
    Ok(status)
}

/// What the command finds the cluster and its tools by. Their own files go to the run's folder.
fn environment(command: &mut Command, run: &Path, kubeconfig: &Path) {
    command.env("KUBECONFIG", kubeconfig).env("KUBECACHEDIR", run.join("kubectl"));
    for (variable, folder) in
        [("HELM_CACHE_HOME", "helm/cache"), ("HELM_CONFIG_HOME", "helm/config"), ("HELM_DATA_HOME", "helm/data")]
    {
        command.env(variable, run.join(folder));
    }
    tools_first(command);
}

/// Puts kubectl, helm and the others at the head of PATH.
fn tools_first(command: &mut Command) {
    let path = env::var_os("PATH").unwrap_or_default();
    let tools = std::iter::once(programs::cache().join("bin"));
    if let Ok(path) = env::join_paths(tools.chain(env::split_paths(&path))) {
        command.env("PATH", path);
    }
}

/// Runs `command` to its end. An interrupt is the command's own affair for a while; a request to end is not.
async fn until_it_ends(command: Command) -> Result<ExitStatus> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let program = command.get_program().to_string_lossy().into_owned();
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("cannot run {program}"))?;
    tokio::select! {
        status = child.wait() => return Ok(status?),
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {
            if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
                return Ok(status?);
            }
        }
    }
    child.kill().await?;
    Ok(child.wait().await?)
}

fn keep_logs(options: &Options, run: &Path) -> Result<()> {
    let Some(folder) = &options.logs else {
        return Ok(());
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for entry in fs::read_dir(run)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            fs::copy(&path, folder.join(entry.file_name())).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// The file that says that the cluster of `run` came up.
fn booted(run: &Path) -> PathBuf {
    run.join("booted")
}
