//! Starts Kubernetes inside the namespaces, waits until it is fit for use, and runs the command.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use caudal_testkit::{ControlPlane, Process, Site, wait};
use tokio::{
    net::{TcpStream, lookup_host},
    signal::ctrl_c,
};

use super::{
    components::{self, Component, NODE, Node, socket},
    machine,
    plan::Plan,
    steps::Steps,
};

/// How long any one thing may take. Busy machines are slow, broken ones are told from the log.
const STEP: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(100);
const DNS: &str = "10.96.0.10:53";
const API: &str = "kubernetes.default.svc.cluster.local:443";

/// Everything that runs; it ends when this is dropped.
struct Cluster {
    components: Vec<Component>,
    plane: ControlPlane,
}

/// Boots the cluster of the run in `run` and runs its command. Returns the command's own code.
pub(crate) async fn execute(run: &Path) -> Result<ExitCode> {
    let plan = Plan::read(run)?;
    let mut steps = Steps::begin();
    machine::prepare(run)?;
    steps.done("namespaces, mounts and network");
    let cluster = tokio::select! {
        cluster = boot(run, &plan, &mut steps) => cluster?,
        _ = ctrl_c() => bail!("interrupted"),
    };
    fs::write(super::booted(run), "")?;
    steps.total("the cluster is ready");
    let status = command(run, &plan, &cluster).await?;
    steps.done("the command");
    if let Err(ended) = cluster.check() {
        bail!("while the command ran (it ended with {status}): {ended:#}");
    }
    Ok(crate::command::code(status))
}

async fn boot(run: &Path, plan: &Plan, steps: &mut Steps) -> Result<Cluster> {
    let containerd = components::containerd(run)?;
    let site = Site { folder: run.to_owned(), address: machine::ADDRESS };
    let images = async { import(run, &containerd.process, &plan.images).await };
    let plane = async { Ok(ControlPlane::start_at(&site).await?) };
    let ((), plane) = tokio::try_join!(images, plane)?;
    steps.done("control plane answers, images are imported");

    let node = Node { run, plane: &plane };
    let components = vec![
        containerd,
        node.kubelet()?,
        node.controller_manager()?,
        node.scheduler()?,
        node.proxy()?,
        node.coredns()?,
    ];
    let manifest = node.manifest(plan.volumes)?;
    let cluster = Cluster { components, plane };
    cluster.guard(cluster.apply(&manifest)).await?;
    steps.done("Services and volumes are made");
    cluster.guard(cluster.fit(steps)).await?;
    Ok(cluster)
}

impl Cluster {
    /// An error with the end of its log, if any part of the cluster has ended.
    fn check(&self) -> Result<()> {
        self.plane.check()?;
        self.components.iter().try_for_each(|component| component.process.check().map_err(Into::into))
    }

    /// Waits for `work`, but no longer than the cluster is whole.
    async fn guard(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        let broken = async {
            loop {
                self.check()?;
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            done = work => done,
            ended = broken => ended,
        }
    }

    async fn apply(&self, manifest: &Path) -> Result<()> {
        let manifest = manifest.to_string_lossy();
        // The namespaces it speaks of come a moment after the API server.
        wait::until("the first objects are made", STEP, async || {
            self.plane.kubectl(&["apply", "--validate=false", "--filename", &manifest]).await
        })
        .await?;
        Ok(())
    }

    async fn fit(&self, steps: &mut Steps) -> Result<()> {
        let node = format!("node/{NODE}");
        self.until("kubelet", "the node is Ready", &[&node, "--for=create"]).await?;
        self.until("kubelet", "the node is Ready", &[&node, "--for=condition=Ready"]).await?;
        steps.done("node is Ready");
        let account = ["serviceaccount/default", "--for=create"];
        self.until("kube-controller-manager", "the default ServiceAccount is made", &account).await?;
        steps.done("default ServiceAccount is there");
        self.logged("coredns", "the cluster's names are answered", async {
            wait::until("the DNS Service is reached", STEP, async || connect(DNS).await).await?;
            wait::until("the API server's name is answered", STEP, async || lookup_host(API).await.map(drop)).await
        })
        .await?;
        steps.done("DNS answers");
        Ok(())
    }

    async fn until(&self, component: &str, what: &str, condition: &[&str]) -> Result<()> {
        let limit = format!("--timeout={}s", STEP.as_secs());
        let arguments = [&["wait", &limit], condition].concat();
        self.logged(component, what, async { self.plane.kubectl(&arguments).await.map(drop) }).await
    }

    /// Gives a failure the end of the log of the component that is most likely its cause.
    async fn logged(
        &self,
        name: &str,
        what: &str,
        work: impl Future<Output = Result<(), caudal_testkit::Error>>,
    ) -> Result<()> {
        let Err(error) = work.await else {
            return Ok(());
        };
        let component = self.components.iter().find(|component| component.name == name);
        let log = component.map(|component| component.process.log()).unwrap_or_default();
        Err(error).with_context(|| format!("not so: {what}; the log of {name} ends\n{}", last_lines(&log, 20)))
    }
}

async fn import(run: &Path, containerd: &Process, images: &[PathBuf]) -> Result<()> {
    let socket = socket(run);
    containerd.ready(STEP, async || tokio::net::UnixStream::connect(&socket).await.map(drop)).await?;
    for image in images {
        let mut ctr = tokio::process::Command::new("ctr");
        ctr.arg("--address").arg(&socket).args(["--namespace", "k8s.io", "images", "import"]).arg(image);
        let output = ctr.kill_on_drop(true).output().await.context("cannot run ctr")?;
        if !output.status.success() {
            bail!("cannot import {}: {}", image.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

async fn connect(address: &str) -> io::Result<()> {
    // A packet sent before the Service's rules stand is lost, and the kernel repeats it only after a second.
    tokio::time::timeout(PAUSE, TcpStream::connect(address)).await??;
    Ok(())
}

async fn command(run: &Path, plan: &Plan, cluster: &Cluster) -> Result<ExitStatus> {
    let Some((program, arguments)) = plan.command.split_first() else {
        bail!("no command");
    };
    let mut command = Command::new(program);
    command.args(arguments);
    super::environment(&mut command, run, cluster.plane.kubeconfig());
    command.env("CONTAINERD_ADDRESS", socket(run)).env("CONTAINERD_NAMESPACE", "k8s.io");
    super::until_it_ends(command).await
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}
