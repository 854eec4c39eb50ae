//! What this machine can be used for.

use std::env;

use crate::tools;

/// What the parts that need more than a Rust toolchain depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// The operating system is Linux.
    pub(crate) linux: bool,
    /// The caller is root.
    pub(crate) root: bool,
    /// There is a Go toolchain, by which Kubernetes is built.
    pub(crate) go: bool,
    /// `KUBEBUILDER_ASSETS` names a folder with an API server.
    pub(crate) assets: bool,
    /// This is a run that nothing may be left out of.
    pub(crate) ci: bool,
}

impl Machine {
    /// The machine this runs on.
    pub(crate) fn here() -> Self {
        let set = |name| env::var(name).is_ok_and(|value| !value.is_empty());
        Self {
            linux: cfg!(target_os = "linux"),
            root: rustix::process::geteuid().is_root(),
            go: tools::can_build(),
            assets: set("KUBEBUILDER_ASSETS"),
            ci: set("CI") && env::var("CI").is_ok_and(|value| value != "false"),
        }
    }

    /// Why there can be no Kubernetes API server here, if so.
    pub(crate) fn without_control_plane(self) -> Option<&'static str> {
        let obstacle = "Go is missing, by which Kubernetes is built, and KUBEBUILDER_ASSETS is not set";
        (!self.go && !self.assets).then_some(obstacle)
    }

    /// Why what Docker and GitHub read cannot be given to their own readers here, if so.
    pub(crate) fn without_readers(self) -> Option<&'static str> {
        (!self.go).then_some("Go is missing, by which the readers are built")
    }

    /// Why the chart cannot be rendered here, if so.
    pub(crate) fn without_chart(self) -> Option<&'static str> {
        (!self.go).then_some("Go is missing, by which helm is built")
    }

    /// Why there can be no cluster with pods here, if so.
    pub(crate) fn without_cluster(self) -> Option<&'static str> {
        if !self.linux {
            Some("a cluster needs Linux")
        } else if !self.root {
            Some("a cluster needs root")
        } else if !self.go {
            Some("Go is missing, by which Kubernetes is built")
        } else {
            None
        }
    }
}
