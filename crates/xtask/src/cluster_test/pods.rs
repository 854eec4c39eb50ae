//! Twenty pods, half of them busy, scaled down to the busy half: no job is cut.
//!
//! A Redis and a controller stand on the node; the pods are workers (`caudal-worker`'s example `job`) whose jobs end when the queue is paused.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use caudal_queue::{Backlog, Batch, Chunk, Queue};
use caudal_testkit::{Output, Process, programs, wait};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::kubectl::Namespace;
use crate::cluster::{self, Options, Steps};
use crate::command;
use crate::image::{self, Image};

pub(super) const JOBS: Namespace = Namespace("jobs");
const IMAGE: Image =
    Image { name: "caudal.test/job:1", env: &[], entrypoint: &["/job"], command: &[], user: "65532", folder: "" };
const PODS: usize = 20;
const BUSY: usize = 10;
/// The node's address, as pods see it.
const REDIS: (&str, u16) = ("10.250.0.1", 16_379);
/// How long anything may take on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// How often, and with jobs of what length.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Trials {
    /// How often to scale down
    #[arg(long, default_value_t = 20)]
    pub(crate) trials: u32,
    /// How long a job takes at least, from the moment when half of the pods have one, in seconds
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
}

/// Makes a cluster and tries it there.
///
/// # Errors
/// What did not hold.
pub(crate) async fn run(Trials { trials, seconds }: Trials) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let images = vec![image(folder.path())?];
    let mut inside = Command::new(std::env::current_exe()?);
    inside.args(["pods-inside", "--trials", &trials.to_string(), "--seconds", &seconds.to_string()]);
    let status = cluster::run(&Options { images, ..Options::default() }, &inside).await?;
    Ok(command::code(status))
}

/// Builds the workers' image, and the controller. Returns the image's archive in `folder`.
pub(super) fn image(folder: &Path) -> Result<PathBuf> {
    let mut job = command::cargo();
    job.args(["rustc", "--quiet", "--locked", "--package", "caudal-worker", "--example", "job", "--"]);
    // Nothing but the program is in its image.
    job.args(["-C", "target-feature=+crt-static", "-C", "strip=symbols"]);
    command::run(&mut job)?;
    command::run(command::cargo().args(["build", "--quiet", "--locked", "--package", "caudal"]))?;
    image::of_program(&IMAGE, &built("examples/job")?, folder)
}

fn built(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// The part that happens in the cluster.
///
/// # Errors
/// What did not hold, after what helps to find out why has been written to standard error.
pub(crate) async fn inside(trials: Trials) -> Result<ExitCode> {
    let mut steps = Steps::begin();
    let tried = spare(trials, &mut steps).await;
    if tried.is_err() {
        JOBS.dump().await;
    }
    tried.map(|()| ExitCode::SUCCESS)
}

/// Scales down so often, and looks whether a job was cut.
pub(super) async fn spare(Trials { trials, seconds }: Trials, steps: &mut Steps) -> Result<()> {
    let site = Site::start().await?;
    steps.done("a controller, and workers to scale");
    for trial in 1..=trials {
        let (busy, left) = site.trial(seconds).await.with_context(|| format!("trial {trial} of {trials}"))?;
        steps.done(&format!("{trial}: {PODS} pods, {busy} of them busy, scaled to {left}, no job cut"));
    }
    Ok(())
}

/// What runs on the node.
struct Site {
    queue: Queue,
    _redis: Process,
    _controller: Process,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let redis = redis(folder.path()).await?;
        let url = format!("redis://{}:{}/0", REDIS.0, REDIS.1);
        let client = caudal_redis::Client::new(&caudal_redis::Options { redis_url: url.clone().into() })?;
        let queue = Queue::new(&client, &caudal_queue::Options { queue: "jobs".parse()? });
        JOBS.create().await?;
        let caudal = built("caudal")?;
        apply(folder.path(), &command::text(Command::new(&caudal).arg("crd"))?).await?;
        apply(folder.path(), &deployment(&url).to_string()).await?;
        let scaler =
            async || apply(folder.path(), &scaler(&url).to_string()).await.map_err(|error| format!("{error:#}"));
        wait::until("QueueScalers are served", SOON, scaler).await?;
        let mut controller = Command::new(caudal);
        controller.args(["controller", "--namespaces", JOBS.0, "--ops-listen", "127.0.0.1:19090"]);
        let controller = Process::start(&controller, Output::Inherit)?;
        Ok(Self { queue, _redis: redis, _controller: controller, _folder: folder })
    }

    /// Returns how many pods were busy, and how many were left.
    async fn trial(&self, seconds: u64) -> Result<(usize, usize)> {
        JOBS.run(&["scale", "queuescaler/jobs", &format!("--replicas={PODS}")]).await?;
        wait::until("all pods are Ready", SOON, async || pods_are(PODS).await).await?;
        let busy = timeout(SOON, self.occupy()).await.context("the jobs are not taken")??;
        let half_time = sleep(Duration::from_secs(seconds));
        let unpin = r#"[{"op":"remove","path":"/spec/replicas"}]"#;
        JOBS.run(&["patch", "queuescaler/jobs", "--type=json", "--patch", unpin]).await?;
        let left = wait::until("the idle ones are ended", SOON, async || pods_are(busy.len()).await).await?;
        let cut: Vec<&String> = busy.difference(&left).collect();
        ensure!(cut.is_empty(), "busy pods were ended: {cut:?}");
        half_time.await;
        self.queue.pause().await?;
        let done = async || match self.queue.backlog().await {
            Ok(Backlog { invoices: 0, in_flight_chunks: 0, dead, .. }) => Ok(dead),
            seen => Err(format!("{seen:?}")),
        };
        let dead = wait::until("all jobs are done", SOON, done).await?;
        ensure!(dead == 0, "{dead} jobs were cut");
        self.queue.resume().await?;
        Ok((busy.len(), left.len()))
    }

    /// Gives a job to each of so many pods, until the queue is paused, and returns which have one.
    async fn occupy(&self) -> Result<BTreeSet<String>> {
        loop {
            let workers = self.queue.workers().await?;
            let busy = workers.into_iter().filter(|worker| worker.chunks > 0);
            let busy: BTreeSet<String> =
                busy.filter_map(|worker| Some(worker.name.split_once('/')?.0.to_owned())).collect();
            if busy.len() == BUSY {
                return Ok(busy);
            }
            self.queue.admit(&job(), 1_000).await?;
            let taken = async || match self.queue.backlog().await {
                Ok(Backlog { waiting_chunks: 0, .. }) => Ok(()),
                seen => Err(format!("{seen:?}")),
            };
            wait::until("the job is taken", SOON, taken).await?;
        }
    }
}

fn job() -> Batch {
    let id = uuid::Uuid::new_v4();
    let mut key = [0; 32];
    key[..16].copy_from_slice(id.as_bytes());
    let chunks = vec![Chunk { payload: Vec::new(), count: 1 }];
    Batch { id, key, fingerprint: [0; 32], chunks, traceparent: None, caller: String::new() }
}

/// The pods that are not being ended, if so many are, and all are Ready.
async fn pods_are(count: usize) -> Result<BTreeSet<String>, String> {
    let pods = JOBS.pods("app=jobs").await.map_err(|error| format!("{error:#}"))?;
    let staying: Vec<_> = pods.into_iter().filter(|pod| !pod.is_ending).collect();
    let ready = staying.iter().filter(|pod| pod.is_ready).count();
    if (staying.len(), ready) != (count, count) {
        return Err(format!("{} pods, {ready} of them Ready", staying.len()));
    }
    Ok(staying.into_iter().map(|pod| pod.name).collect())
}

async fn redis(folder: &Path) -> Result<Process> {
    let mut command = Command::new(programs::find("redis-server")?);
    command.args(["--bind", REDIS.0, "--port", &REDIS.1.to_string(), "--protected-mode", "no"]);
    command.args(["--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]).current_dir(folder);
    let process = Process::start(&command, Output::File(folder.join("redis.log")))?;
    process.ready(SOON, async || TcpStream::connect(REDIS).await.map(drop)).await?;
    Ok(process)
}

async fn apply(folder: &Path, manifest: &str) -> Result<()> {
    let file = folder.join("manifest");
    fs::write(&file, manifest)?;
    let file = file.display().to_string();
    JOBS.run(&["apply", "--server-side", "--force-conflicts", "--filename", &file]).await.map(drop)
}

fn deployment(redis: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "jobs" },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": { "app": "jobs" } },
            "template": {
                "metadata": { "labels": { "app": "jobs" } },
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
                    "containers": [{
                        "name": "job", "image": IMAGE.name, "imagePullPolicy": "Never",
                        "env": [{ "name": "REDIS_URL", "value": redis }],
                        "securityContext": {
                            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
                        },
                    }],
                },
            },
        },
    })
}

/// A tenth of what the pods could have needs two of them: it is the busy ones who stay.
fn scaler(redis: &str) -> Value {
    json!({
        "apiVersion": "caudal.dev/v1alpha1", "kind": "QueueScaler", "metadata": { "name": "jobs" },
        "spec": {
            "scaleTargetRef": { "name": "jobs" }, "maxReplicas": PODS,
            "source": { "caudal": { "redis": { "url": redis }, "queue": "jobs" } },
            "target": { "backlogPerReplica": 10 },
            "scaleDown": { "stabilizationSeconds": 0, "stepPercent": 100 }, "cooldownSeconds": 0,
        },
    })
}
