//! What an uninstalled release leaves, and that a new one of its name takes it up.

use anyhow::{Result, ensure};
use caudal_testkit::wait;

use super::START;
use super::kubectl::{self, Namespace};

/// All kinds that the chart or its programs make.
const KINDS: &str = "deployments,statefulsets,replicasets,pods,services,endpointslices,ingresses,jobs,configmaps,secrets,serviceaccounts,roles,\
     rolebindings,persistentvolumeclaims,poddisruptionbudgets,networkpolicies,queuescalers,leases";

/// Those that belong to no namespace: a release's have its namespace's name in theirs.
const CLUSTER_WIDE: &str =
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";

/// What Kubernetes itself puts into each namespace.
const OF_EVERY_NAMESPACE: [&str; 2] = ["configmap/kube-root-ca.crt", "serviceaccount/default"];

/// What outlives the release: the stores' volumes, and the passwords to them.
const KEPT: [&str; 3] = [
    "persistentvolumeclaim/data-caudal-postgresql-0",
    "persistentvolumeclaim/data-caudal-redis-0",
    "secret/caudal-auth",
];

/// Uninstalls the release, and looks at what is left.
///
/// # Errors
/// Something else is left, or something that should be is not.
pub(crate) async fn uninstall(namespace: Namespace) -> Result<()> {
    ensure!(!cluster_wide(namespace).await?.is_empty(), "the release has nothing that belongs to no namespace");
    kubectl::helm(&["uninstall", "caudal", "--namespace", namespace.0, "--wait"]).await?;
    let others = cluster_wide(namespace).await?;
    ensure!(others.is_empty(), "this is left: {}", others.join(", "));
    let left = async || {
        let found = namespace.run(&["get", KINDS, "--output=name"]).await.map_err(|error| format!("{error:#}"))?;
        let names = found.lines().map(|line| {
            let (kind, name) = line.split_once('/').unwrap_or((line, ""));
            format!("{}/{name}", kind.split('.').next().unwrap_or(kind))
        });
        let mut left: Vec<String> = names.filter(|name| !OF_EVERY_NAMESPACE.contains(&name.as_str())).collect();
        left.sort();
        if left == KEPT { Ok(()) } else { Err(left.join(", ")) }
    };
    wait::until("only volumes and passwords are left", START, left).await?;
    let definition =
        namespace.run(&["get", "customresourcedefinition/queuescalers.caudal.dev", "--output=name"]).await?;
    ensure!(!definition.is_empty(), "the resource's definition is gone");
    Ok(())
}

async fn cluster_wide(namespace: Namespace) -> Result<Vec<String>> {
    let found = namespace.run(&["get", CLUSTER_WIDE, "--output=name"]).await?;
    Ok(found.lines().filter(|name| name.ends_with(&format!(".{}", namespace.0))).map(ToOwned::to_owned).collect())
}
