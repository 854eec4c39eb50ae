//! The processes that make the cluster's node, each with its configuration.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use caudal_testkit::{ControlPlane, Output, Process, programs};

use super::machine::ADDRESS;

/// The node's name.
pub(crate) const NODE: &str = "caudal";
/// The image that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "caudal.local/pause:1";
const PODS: &str = "10.244.0.0/16";

/// A process that is part of the cluster.
#[derive(Debug)]
pub(crate) struct Component {
    /// The program's name.
    pub(crate) name: &'static str,
    /// The running program.
    pub(crate) process: Process,
}

/// Where programs write, and how they are told whom to talk to.
pub(crate) struct Node<'a> {
    /// The run's folder.
    pub(crate) run: &'a Path,
    /// The API server.
    pub(crate) plane: &'a ControlPlane,
}

/// Where containerd listens.
pub(crate) fn socket(run: &Path) -> PathBuf {
    run.join("containerd.sock")
}

/// Runs containers. Needs nothing of the others.
pub(crate) fn containerd(run: &Path) -> Result<Component> {
    let cni = run.join("cni");
    fs::create_dir_all(&cni)?;
    fs::write(cni.join("pods.conflist"), include_str!("cni.json"))?;
    let text = format!(include_str!("containerd.toml"), run = run.display(), pause = PAUSE);
    let configuration = write(run, "containerd.toml", &text)?;
    start(run, "containerd", |containerd| {
        containerd.arg("--config").arg(configuration);
    })
}

impl Node<'_> {
    /// Makes what the API is asked for come about.
    pub(crate) fn controller_manager(&self) -> Result<Component> {
        let kubeconfig = self.plane.kubeconfig_for("kcm", "system:kube-controller-manager", &[])?;
        let authority = self.plane.authority().certificate();
        start(self.run, "kube-controller-manager", |manager| {
            manager.arg("--kubeconfig").arg(kubeconfig);
            manager.arg("--root-ca-file").arg(authority);
            manager.arg("--service-account-private-key-file").arg(self.plane.token_key());
            manager.args(["--use-service-account-credentials=true", "--leader-elect=false"]);
            manager.args(["--allocate-node-cidrs=true", "--cluster-cidr", PODS]);
            // With the defaults the first ServiceAccount waits seconds behind everything else.
            manager.args(["--kube-api-qps=100", "--kube-api-burst=200"]);
        })
    }

    /// Gives pods their node.
    pub(crate) fn scheduler(&self) -> Result<Component> {
        let kubeconfig = self.plane.kubeconfig_for("scheduler", "system:kube-scheduler", &[])?;
        start(self.run, "kube-scheduler", |scheduler| {
            scheduler.arg("--kubeconfig").arg(kubeconfig).arg("--leader-elect=false");
        })
    }

    /// Runs the node's pods.
    pub(crate) fn kubelet(&self) -> Result<Component> {
        let user = format!("system:node:{NODE}");
        let kubeconfig = self.plane.kubeconfig_for("kubelet", &user, &["system:nodes"])?;
        let authority = self.plane.authority().certificate();
        let text = format!(include_str!("kubelet.yaml"), authority = authority.display(), run = self.run.display());
        let configuration = write(self.run, "kubelet.yaml", &text)?;
        start(self.run, "kubelet", |kubelet| {
            kubelet.arg("--config").arg(configuration).arg("--kubeconfig").arg(kubeconfig);
            kubelet.arg("--root-dir").arg(self.run.join("kubelet"));
            kubelet.args(["--hostname-override", NODE, "--node-ip", &ADDRESS.to_string()]);
        })
    }

    /// Leads Services to their pods.
    pub(crate) fn proxy(&self) -> Result<Component> {
        let kubeconfig = self.plane.kubeconfig_for("proxy", "system:kube-proxy", &[])?;
        start(self.run, "kube-proxy", |proxy| {
            proxy.arg("--kubeconfig").arg(kubeconfig).args(["--hostname-override", NODE]);
            proxy.args(["--proxy-mode", "iptables", "--cluster-cidr", PODS]);
            // The size of the connection table is the whole machine's.
            proxy.args(["--conntrack-max-per-core", "0"]);
        })
    }

    /// Answers for the names of Services.
    pub(crate) fn coredns(&self) -> Result<Component> {
        let kubeconfig = self.plane.kubeconfig_for("coredns", "coredns", &[])?;
        let text = format!(include_str!("Corefile"), address = ADDRESS, kubeconfig = kubeconfig.display());
        let configuration = write(self.run, "Corefile", &text)?;
        start(self.run, "coredns", |coredns| {
            coredns.arg("-conf").arg(configuration);
        })
    }

    /// What the API is told first: who may answer for names, and `volumes` that can be claimed.
    pub(crate) fn manifest(&self, volumes: u32) -> Result<PathBuf> {
        let mut text = format!(include_str!("dns.yaml"), address = ADDRESS);
        for number in 1..=volumes {
            let name = format!("local-{number}");
            let path = self.run.join("volumes").join(&name);
            fs::create_dir_all(&path)?;
            // A pod's user is anybody.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
            write!(text, include_str!("volume.yaml"), name = name, path = path.display(), node = NODE)?;
        }
        write(self.run, "manifest.yaml", &text)
    }
}

fn start(run: &Path, name: &'static str, configure: impl FnOnce(&mut Command)) -> Result<Component> {
    let mut command = Command::new(programs::find(name)?);
    configure(&mut command);
    let process = Process::start(&command, Output::File(run.join(format!("{name}.log"))))?;
    Ok(Component { name, process })
}

fn write(run: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = run.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
