//! `kubectl` and `helm`, each call with a time limit.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// How long an ordinary call may take.
const CALL: Duration = Duration::from_secs(60);

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

    /// The same, with `input` to read.
    pub(crate) async fn fed(self, limit: Duration, arguments: &[&str], input: &str) -> Result<String> {
        let arguments = [&["--namespace", self.0], arguments].concat();
        call_with("kubectl", &arguments, limit, Some(input)).await
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
    call("helm", arguments, CALL).await
}

async fn call(program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
    call_with(program, arguments, limit, None).await
}

async fn call_with(program: &str, arguments: &[&str], limit: Duration, input: Option<&str>) -> Result<String> {
    let words = arguments.join(" ");
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let stdin = child.stdin.take();
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // One that ends before it has read everything says itself why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let (output, ()) = timeout(limit, async { tokio::join!(child.wait_with_output(), feed) })
        .await
        .with_context(|| format!("{program} {words}: no end after {} s", limit.as_secs()))?;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
