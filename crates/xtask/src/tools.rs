//! Programs built from Go modules at pinned versions, once, and kept in the cache.
//!
//! Each module of `crates/xtask/go` pins its versions and their checksums. What is built stands in a folder named
//! after its version and recipe, and under its own name in the cache's `bin`.
#![expect(clippy::print_stderr, reason = "a build of minutes should not look like a hang")]

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use caudal_testkit::programs;
use sha2::{Digest, Sha256};

/// A set of programs built together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `kube-apiserver` and `kubectl`.
    ControlPlane,
    /// `kube-controller-manager`, `kube-scheduler`, `kubelet` and `kube-proxy`.
    Node,
    /// `helm`, version 3.
    Helm,
    /// `helm4`: helm, version 4.
    Helm4,
    /// `helm-docs`, which makes the chart's README.
    HelmDocs,
    /// `coredns`.
    CoreDns,
    /// `collector`: an OpenTelemetry collector with the exporters `debug` and `file`.
    Collector,
    /// `pause`, which holds a pod's namespaces.
    Pause,
    /// `readers`, which reads files for Docker Compose and for kind as they do.
    Readers,
    /// `actionlint`, which reads GitHub's workflows.
    Actionlint,
}

/// How a tool is built.
struct Recipe {
    name: &'static str,
    module: &'static str,
    version: &'static str,
    packages: &'static [&'static str],
    linker: &'static str,
    /// The program's name where it is not its package's.
    program: Option<(&'static str, &'static str)>,
}

/// The version that clients read from the server is linked in; kubectl and kube-rs cannot do without it.
const KUBERNETES: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

/// Without a cluster helm takes Kubernetes' version for the one that is linked in, and 1.20 where there is none.
const HELM: &str = "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0 \
     -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37 \
     -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37";

const HELM4: &str = "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1";

impl Tool {
    fn recipe(self) -> Recipe {
        let plain = Recipe { name: "", module: "", version: "", packages: &["tool"], linker: "-s -w", program: None };
        let kubernetes = Recipe { module: "kubernetes", version: "1.36.3", linker: KUBERNETES, ..plain };
        match self {
            Self::ControlPlane => Recipe {
                name: "control-plane",
                packages: &["k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"],
                ..kubernetes
            },
            Self::Node => Recipe {
                name: "node",
                packages: &[
                    "k8s.io/kubernetes/cmd/kube-controller-manager",
                    "k8s.io/kubernetes/cmd/kube-scheduler",
                    "k8s.io/kubernetes/cmd/kubelet",
                    "k8s.io/kubernetes/cmd/kube-proxy",
                ],
                ..kubernetes
            },
            Self::Helm => Recipe { name: "helm", module: "helm", version: "3.22.0", linker: HELM, ..plain },
            Self::Helm4 => Recipe {
                name: "helm4",
                module: "helm4",
                version: "4.3.1",
                linker: HELM4,
                program: Some(("helm", "helm4")),
                ..plain
            },
            Self::HelmDocs => Recipe { name: "helm-docs", module: "helm-docs", version: "1.14.2", ..plain },
            Self::CoreDns => Recipe { name: "coredns", module: "coredns", version: "1.15.0", ..plain },
            Self::Collector => {
                Recipe { name: "collector", module: "collector", version: "0.165.0", packages: &["."], ..plain }
            }
            Self::Pause => Recipe { name: "pause", module: "pause", version: "1", packages: &["."], ..plain },
            Self::Readers => Recipe { name: "readers", module: "readers", version: "1", packages: &["."], ..plain },
            Self::Actionlint => Recipe { name: "actionlint", module: "actionlint", version: "1.7.12", ..plain },
        }
    }
}

/// Whether programs can be built here.
pub(crate) fn can_build() -> bool {
    Command::new("go").arg("version").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// Builds `tool` unless the cache has it, and returns the folder of its programs.
///
/// # Errors
/// Go is missing, or the build failed; its own words went to standard error.
pub(crate) fn ensure(tool: Tool) -> Result<PathBuf> {
    let recipe = tool.recipe();
    let cache = programs::cache().join("tools");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let folder = cache.join(recipe.key()?);
    // Whoever comes second waits here and finds the work done.
    let lock = fs::File::create(cache.join(format!("{}.lock", recipe.name)))?;
    lock.lock()?;
    if !folder.is_dir() {
        recipe.build(&cache, &folder)?;
    }
    publish(&folder).with_context(|| format!("cannot link the programs of {}", folder.display()))?;
    Ok(folder)
}

impl Recipe {
    fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(self.module)
    }

    /// Name, version and a digest of all that the programs depend on.
    fn key(&self) -> Result<String> {
        let mut digest = Sha256::new();
        for file in ["go.mod", "go.sum", "main.go"] {
            match fs::read(self.source().join(file)) {
                Ok(bytes) => digest.update(bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("{}/{file}", self.source().display())),
            }
        }
        digest.update(self.linker);
        digest.update(self.packages.concat());
        let digest = hex::encode(digest.finalize());
        Ok(format!("{}-{}-{}", self.name, self.version, digest.get(..8).unwrap_or_default()))
    }

    fn build(&self, cache: &Path, folder: &Path) -> Result<()> {
        if !can_build() {
            bail!("Go is missing: {} is built from its sources", self.name);
        }
        eprintln!("building {} {} once; this takes minutes where Go's own cache is empty", self.name, self.version);
        let staging = tempfile::Builder::new().prefix(".building-").tempdir_in(cache)?;
        let mut go = Command::new("go");
        go.arg("build").arg("-C").arg(self.source());
        go.args(["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", self.linker, "-o"]);
        go.arg(staging.path().join("bin/")).args(self.packages);
        go.env("CGO_ENABLED", "0").env("GOWORK", "off").stdin(Stdio::null());
        fs::create_dir(staging.path().join("bin"))?;
        let status = go.status().context("cannot run go")?;
        if !status.success() {
            bail!("go could not build {} {}: {status}", self.name, self.version);
        }
        if let Some((built, wanted)) = self.program {
            let bin = staging.path().join("bin");
            fs::rename(bin.join(built), bin.join(wanted)).with_context(|| format!("go built no {built}"))?;
        }
        fs::rename(staging.path().join("bin"), folder).with_context(|| format!("cannot make {}", folder.display()))
    }
}

/// Links each program of `folder` under its own name in the cache's `bin`, where tests look for it.
fn publish(folder: &Path) -> io::Result<()> {
    let bin = programs::cache().join("bin");
    fs::create_dir_all(&bin)?;
    for program in fs::read_dir(folder)? {
        let program = program?;
        let link = bin.join(program.file_name());
        if fs::read_link(&link).is_ok_and(|target| target == program.path()) {
            continue;
        }
        let fresh = tempfile::Builder::new().prefix(".link-").tempdir_in(&bin)?;
        symlink(program.path(), fresh.path().join("link"))?;
        fs::rename(fresh.path().join("link"), link)?;
    }
    Ok(())
}
