//! The controller alone, for the queues of others: it is installed by Helm 4, and scales pods of a namespace that it watches by a list,
//! and none of another namespace.

use anyhow::{Context, Result, ensure};
use caudal_testkit::wait;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::kubectl::{self, Namespace};
use super::place::Place;
use super::{START, notes};
use crate::{image, repository};

/// Where the controller is, and the Redis of the queue.
const PLATFORM: Namespace = Namespace("platform");
/// A namespace it watches.
const SHOP: Namespace = Namespace("shop");
/// One that it does not.
const STRANGERS: Namespace = Namespace("strangers");
pub(super) const NAMESPACES: [Namespace; 3] = [PLATFORM, SHOP, STRANGERS];

const EXAMPLE: &str = "deploy/examples/queuescalers/list.yaml";
const PASSWORD: &str = "open";
/// What the example's workers are worth.
const JOBS_PER_POD: usize = 20;
const PODS: usize = 3;

/// Installs it and lets a queue fill and empty.
///
/// # Errors
/// What did not hold.
pub(super) async fn run() -> Result<()> {
    for namespace in NAMESPACES {
        namespace.create().await?;
    }
    apply(PLATFORM, &[redis(), service()]).await?;
    install().await?;
    for (namespace, replicas) in [(SHOP, 0), (STRANGERS, 1)] {
        apply(namespace, &[secret(), workers(replicas)]).await?;
        namespace.run(&["apply", "--filename", &repository::root().join(EXAMPLE).display().to_string()]).await?;
        let at_once = json!({ "spec": { "scaleDown": { "stabilizationSeconds": 0 }, "cooldownSeconds": 0 } });
        namespace.run(&["patch", "queuescaler/mailer", "--type=merge", "--patch", &at_once.to_string()]).await?;
    }
    PLATFORM.rolled_out("deployment/redis", START).await?;

    redis_cli(&format!("rpush jobs $(seq {})", PODS * JOBS_PER_POD)).await?;
    ready(SHOP, PODS).await.context("a queue filled")?;
    redis_cli("del jobs").await?;
    ready(SHOP, 0).await.context("a queue emptied")?;
    left_alone().await?;
    let place = Place::of(PLATFORM).await?;
    notes::follow(&place, "helm4", &["successfully rolled out", "scaleTargetRef", "NAMESPACE"]).await?;
    kubectl::helm4(&["uninstall", "caudal", "--namespace", PLATFORM.0, "--wait", "--timeout=180s"]).await.map(drop)
}

async fn install() -> Result<()> {
    let chart = repository::root().join("charts/caudal").display().to_string();
    let watched = format!("controller.watchNamespaces={{{}}}", SHOP.0);
    let set = ["--set", "controller.only=true", "--set", &watched, "--set", "controller.secretNames={redis}"];
    let install = ["install", "caudal", &chart, "--namespace", PLATFORM.0, "--wait", "--timeout=180s"];
    kubectl::helm4(&[install.as_slice(), &set].concat()).await.map(drop)
}

/// Waits until so many workers are there, all of them Ready.
async fn ready(namespace: Namespace, count: usize) -> Result<()> {
    wait::until("all workers are Ready that are needed", START, async || {
        let pods = namespace.pods("app=mailer").await.map_err(|error| format!("{error:#}"))?;
        let ready = pods.iter().filter(|pod| pod.is_ready && !pod.is_ending).count();
        if (pods.len(), ready) == (count, count) { Ok(()) } else { Err(format!("{pods:?}")) }
    })
    .await?;
    Ok(())
}

/// What stands in a namespace that nobody watches has the workers that it was given, and nobody has told it anything.
async fn left_alone() -> Result<()> {
    let asked = STRANGERS.run(&["get", "deployment/mailer", "--output=jsonpath={.spec.replicas}"]).await?;
    let told = STRANGERS.run(&["get", "queuescaler/mailer", "--output=jsonpath={.status}"]).await?;
    ensure!((asked.as_str(), told.as_str()) == ("1", ""), "{asked} workers are asked for, and the status is {told:?}");
    ready(STRANGERS, 1).await
}

async fn redis_cli(command: &str) -> Result<()> {
    let script = format!("redis-cli -e {command}");
    PLATFORM.run(&["exec", "deployment/redis", "--", "sh", "-c", &script]).await.map(drop)
}

async fn apply(namespace: Namespace, objects: &[Value]) -> Result<()> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
    let feed = async |mut stdin: tokio::process::ChildStdin| {
        // Whoever does not read it says why.
        let _ = stdin.write_all(list.as_bytes()).await;
    };
    namespace.fed(START, &["apply", "--filename=-"], feed).await.map(drop)
}

fn workers(replicas: u32) -> Value {
    deployment("mailer", replicas, json!({ "command": ["sleep", "infinity"] }))
}

fn redis() -> Value {
    let container = json!({
        "command": ["redis-server", "--requirepass", PASSWORD, "--save", ""],
        "workingDir": "/tmp",
        "env": [{ "name": "REDISCLI_AUTH", "value": PASSWORD }],
        "readinessProbe": { "exec": { "command": ["redis-cli", "-e", "ping"] }, "periodSeconds": 1 },
    });
    deployment("redis", 1, container)
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "redis" },
        "spec": { "selector": { "app": "redis" }, "ports": [{ "port": 6379 }] },
    })
}

/// As the example asks for it.
fn secret() -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "redis" }, "stringData": { "password": PASSWORD } })
}

fn deployment(name: &str, replicas: u32, mut container: Value) -> Value {
    container["name"] = json!(name);
    container["image"] = json!(image::REDIS);
    container["imagePullPolicy"] = json!("Never");
    container["securityContext"] = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 1,
                    "securityContext": { "runAsNonRoot": true, "runAsUser": 999, "seccompProfile": { "type": "RuntimeDefault" } },
                    "containers": [container],
                },
            },
        },
    })
}
