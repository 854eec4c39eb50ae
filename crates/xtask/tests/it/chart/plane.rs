//! The API server that these tests share. Nothing is behind it: no pod runs.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use caudal_testkit::ControlPlane;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::helm::{helm, root, text};

static PLANE: Mutex<Weak<ControlPlane>> = Mutex::const_new(Weak::new());

/// The API server that these tests share, with the resources that the renders use.
pub(crate) async fn plane() -> Arc<ControlPlane> {
    let mut known = PLANE.lock().await;
    if let Some(plane) = known.upgrade() {
        return plane;
    }
    let plane = Arc::new(ControlPlane::start().await.unwrap());
    for definitions in ["charts/caudal/crds", "crates/xtask/tests/it/chart/monitoring.yaml"] {
        let file = root().join(definitions).display().to_string();
        plane.kubectl(&["apply", "--server-side", "--filename", &file]).await.unwrap();
    }
    let established = ["wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"];
    plane.kubectl(&established).await.unwrap();
    *known = Arc::downgrade(&plane);
    plane
}

pub(crate) async fn namespace(plane: &ControlPlane, name: &str) {
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    plane.kubectl(&["create", "namespace", name]).await.unwrap();
    plane.kubectl(&["label", "namespace", name, restricted]).await.unwrap();
}

/// Runs a Helm on this cluster.
pub(crate) fn on(plane: &ControlPlane, program: &str, arguments: &[&str]) -> String {
    text(helm(program).args(arguments).env("KUBECONFIG", plane.kubeconfig()))
}

/// Objects in a file that goes with the folder.
pub(crate) fn file(folder: &TempDir, objects: &[Value]) -> String {
    let path: PathBuf = folder.path().join("objects.json");
    fs::write(&path, json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string()).unwrap();
    path.display().to_string()
}
