//! `kubectl` and `helm`, each call with a time limit.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

/// How long an ordinary call may take.
const CALL: Duration = Duration::from_secs(60);
/// How long `helm` may wait for what it has asked for: a test's pod has a patience of its own.
const HELM: Duration = Duration::from_secs(240);

/// A namespace of the cluster that `KUBECONFIG` names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Namespace(pub &'static str);

impl Namespace {
    /// Makes it, for pods that keep to the restricted standard alone.
    pub(crate) async fn create(self) -> Result<()> {
        self.run(&["create", "namespace", self.0]).await?;
        let label = "pod-security.kubernetes.io/enforce=restricted";
        self.run(&["label", "namespace", self.0, label]).await.map(drop)
    }

    /// Runs `kubectl` in it and returns what it said.
    pub(crate) async fn run(self, arguments: &[&str]) -> Result<String> {
        self.within(CALL, arguments).await
    }

    /// Runs `kubectl` in it, for longer than usual.
    pub(crate) async fn within(self, limit: Duration, arguments: &[&str]) -> Result<String> {
        let arguments = [&["--namespace", self.0], arguments].concat();
        call("kubectl", &arguments, limit + Duration::from_secs(5)).await
    }

    /// The same, with what `feed` writes to read.
    pub(crate) async fn fed(
        self,
        limit: Duration,
        arguments: &[&str],
        feed: impl AsyncFnOnce(ChildStdin),
    ) -> Result<String> {
        let arguments = [&["--namespace", self.0], arguments].concat();
        call_with("kubectl", &arguments, limit, Some(feed)).await
    }

    /// The identities of the pods of this component, by whether they are Ready.
    pub(crate) async fn pods(self, component: &str) -> Result<BTreeMap<String, bool>> {
        let selector = format!("app.kubernetes.io/component={component}");
        let listed = self.run(&["get", "pods", "--output=json", "--selector", &selector]).await?;
        let listed: Value = serde_json::from_str(&listed)?;
        let pods = listed["items"].as_array().into_iter().flatten();
        let identity = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let is_ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        Ok(pods.map(|pod| (identity(pod), is_ready(pod))).collect())
    }

    /// Waits until all replicas of a workload are Ready.
    pub(crate) async fn rolled_out(self, workload: &str, limit: Duration) -> Result<()> {
        let timeout = format!("--timeout={}s", limit.as_secs());
        self.within(limit, &["rollout", "status", workload, &timeout]).await.map(drop)
    }

    /// Waits until a workload is asked to have no replicas.
    pub(crate) async fn scaled_to_zero(self, workload: &str, limit: Duration) -> Result<()> {
        let timeout = format!("--timeout={}s", limit.as_secs());
        self.within(limit, &["wait", workload, "--for=jsonpath={.spec.replicas}=0", &timeout]).await.map(drop)
    }

    /// Asks the bundled PostgreSQL.
    pub(crate) async fn query(self, sql: &str) -> Result<String> {
        let psql = ["psql", "--username=caudal", "--dbname=caudal", "--no-align", "--tuples-only", "--command", sql];
        self.run(&[&["exec", "statefulset/caudal-postgresql", "--"], psql.as_slice()].concat()).await
    }

    /// Writes what helps to understand a failure to standard error.
    pub(crate) async fn dump(self) {
        let pods = self.run(&["get", "pods", "--output=name"]).await.unwrap_or_default();
        let mut questions = vec![
            vec!["get", "all,persistentvolumeclaims,queuescalers,leases", "--output=wide"],
            vec!["describe", "queuescalers"],
            vec!["get", "events", "--sort-by=.lastTimestamp"],
        ];
        for pod in pods.lines() {
            questions.push(vec!["describe", pod]);
            questions.push(vec!["logs", pod, "--all-containers", "--tail=60", "--prefix"]);
            questions.push(vec!["logs", pod, "--all-containers", "--tail=30", "--prefix", "--previous"]);
        }
        for question in questions {
            let Ok(answer) = self.run(&question).await else { continue };
            // Nobody reading is no reason to stop.
            let _ = writeln!(std::io::stderr(), "--- {}: kubectl {}\n{answer}", self.0, question.join(" "));
        }
    }
}

/// Runs `helm`.
pub(crate) async fn helm(arguments: &[&str]) -> Result<String> {
    call("helm", arguments, HELM).await
}

async fn call(program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
    call_with(program, arguments, limit, None::<fn(ChildStdin) -> std::future::Ready<()>>).await
}

async fn call_with(
    program: &str,
    arguments: &[&str],
    limit: Duration,
    feed: Option<impl AsyncFnOnce(ChildStdin)>,
) -> Result<String> {
    let words = arguments.join(" ");
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if feed.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let stdin = child.stdin.take();
    let fed = async {
        if let (Some(stdin), Some(feed)) = (stdin, feed) {
            feed(stdin).await;
        }
        std::future::pending().await
    };
    let ended = async {
        tokio::select! {
            output = child.wait_with_output() => output,
            never = fed => never,
        }
    };
    let output = timeout(limit, ended)
        .await
        .with_context(|| format!("{program} {words}: no end after {} s", limit.as_secs()))?;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
