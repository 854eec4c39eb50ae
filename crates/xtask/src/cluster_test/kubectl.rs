//! `kubectl` and `helm`, each call with a time limit.

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
        self.fed(limit + Duration::from_secs(5), arguments, async |_| {}).await
    }

    /// The same, with what `feed` writes to read.
    pub(crate) async fn fed(
        self,
        limit: Duration,
        arguments: &[&str],
        feed: impl AsyncFnOnce(ChildStdin),
    ) -> Result<String> {
        call("kubectl", &[&["--namespace", self.0], arguments].concat(), limit, feed).await
    }

    /// The pods that a selector finds.
    pub(crate) async fn pods(self, selector: &str) -> Result<Vec<Pod>> {
        let listed: Value =
            serde_json::from_str(&self.run(&["get", "pods", "--output=json", "--selector", selector]).await?)?;
        Ok(listed["items"].as_array().into_iter().flatten().map(Pod::of).collect())
    }

    /// Waits until all replicas of a workload are Ready.
    pub(crate) async fn rolled_out(self, workload: &str, limit: Duration) -> Result<()> {
        let timeout = format!("--timeout={}s", limit.as_secs());
        self.within(limit, &["rollout", "status", workload, &timeout]).await.map(drop)
    }

    /// Waits until a workload is asked to have no replicas.
    pub(crate) async fn scaled_to_zero(self, workload: &str, limit: Duration) -> Result<()> {
        self.reached(workload, "{.spec.replicas}=0", limit).await
    }

    /// Waits until a field of an object is there, or has the value that follows it.
    pub(crate) async fn reached(self, object: &str, field: &str, limit: Duration) -> Result<()> {
        let (field, timeout) = (format!("--for=jsonpath={field}"), format!("--timeout={}s", limit.as_secs()));
        self.within(limit, &["wait", object, &field, &timeout]).await.map(drop)
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

/// A pod, as far as anybody here asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub name: String,
    /// No other pod ever has it.
    pub identity: String,
    pub is_ready: bool,
    /// It is asked to end.
    pub is_ending: bool,
}

impl Pod {
    fn of(listed: &Value) -> Self {
        let metadata = &listed["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            identity: text("uid"),
            is_ready: listed["status"]["containerStatuses"][0]["ready"] == true,
            is_ending: !metadata["deletionTimestamp"].is_null(),
        }
    }
}

/// Runs `helm`, version 3.
pub(crate) async fn helm(arguments: &[&str]) -> Result<String> {
    call("helm", arguments, HELM, async |_| {}).await
}

/// Runs `helm`, version 4.
pub(crate) async fn helm4(arguments: &[&str]) -> Result<String> {
    call("helm4", arguments, HELM, async |_| {}).await
}

async fn call(
    program: &str,
    arguments: &[&str],
    limit: Duration,
    feed: impl AsyncFnOnce(ChildStdin),
) -> Result<String> {
    let words = arguments.join(" ");
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let stdin = child.stdin.take().context("no input")?;
    let fed = async {
        feed(stdin).await;
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
