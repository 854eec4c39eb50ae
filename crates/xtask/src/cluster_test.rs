//! The cluster test: what a user does first, and what an installation goes through, on a real cluster, and every number checked.
//!
//! `helm install` with a collector for traces, 100 invoices through the Service, workers from
//! none to one and back, the ledger compared to the last decimal, and one trace followed from the POST to the commit. Pods half of which
//! are busy are scaled down. Beside all this what `tilt up` brings on a laptop, and the controller alone with somebody else's queue. Then
//! 50,000 invoices from pods, through an upgrade, a rollback, deaths and a drain; the end of the release, and a new one of its name on what
//! it left, without autoscaling.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use caudal_testkit::wait;

use crate::cluster::{self, Options, Steps};
use crate::image::{self, Image};
use crate::repository;
use crate::tilt::Tiltfile;
use crate::tools::{self, Tool};
use client::Client;
use kubectl::Namespace;
use place::Place;
use pods::Trials;
use sample::Batch;

mod afterlife;
mod alone;
mod client;
mod kubectl;
mod laptop;
mod load;
mod newcomer;
mod notes;
mod place;
pub(crate) mod pods;
mod sample;
mod traces;
mod upheavals;

const INVOICES: Namespace = Namespace("invoices");
const OBSERVABILITY: Namespace = Namespace("observability");
const COLLECTOR: &str = "http://otel-collector.observability:4317";
const API: &str = "http://caudal.invoices.svc.cluster.local";
const WORKERS: &str = "app.kubernetes.io/component=worker";

/// The short form of what `cargo xtask soak --only pods` tries.
const BUSY_PODS: Trials = Trials { trials: 1, seconds: 10 };

/// How long the first start of everything may take on a busy machine.
const START: Duration = Duration::from_secs(180);
/// How long the cooldown, by default a minute, and the last worker's end may take.
const TO_ZERO: Duration = Duration::from_secs(180);
/// How long a batch may take, the first worker's start included.
const RECORDED: Duration = Duration::from_secs(180);

/// `cargo xtask cluster-test`: builds the images, makes a cluster and tries the chart in it.
///
/// # Errors
/// What did not hold, after all that helps to find out why has been written to standard error.
pub(crate) async fn run() -> Result<()> {
    let mut steps = Steps::begin();
    let mut images = image::all()?;
    images.push(image::laptop(&Tiltfile::evaluate()?)?);
    images.push(image::next()?);
    steps.done("images are built");
    let folder = tempfile::tempdir()?;
    tools::ensure(Tool::Helm4)?;
    let collector = tools::ensure(Tool::Collector)?.join("collector");
    let stand_in = Image {
        name: "docker.io/otel/opentelemetry-collector-contrib:0.165.0",
        entrypoint: &["/otelcol-contrib"],
        ..Image::default()
    };
    images.push(image::of_program(&stand_in, &collector, folder.path())?);
    images.push(pods::image(folder.path())?);
    let mut inside = Command::new(std::env::current_exe()?);
    inside.arg("cluster-test-inside");
    let status = cluster::run(&Options { images, volumes: 6, ..Options::default() }, &inside).await?;
    ensure!(status.success(), "the cluster test failed");
    Ok(())
}

/// The part of [`run`] that happens in the cluster.
///
/// # Errors
/// As [`run`].
pub(crate) async fn inside() -> Result<ExitCode> {
    let tried = attempt().await;
    if tried.is_err() {
        for namespace in [INVOICES, OBSERVABILITY, newcomer::NEWCOMER, pods::JOBS, laptop::LAPTOP] {
            namespace.dump().await;
        }
        for namespace in alone::NAMESPACES {
            namespace.dump().await;
        }
    }
    tried.map(|()| ExitCode::SUCCESS)
}

async fn attempt() -> Result<()> {
    let mut steps = Steps::begin();
    let root = repository::root();
    prepare(&root).await?;
    steps.done("namespaces and collector are there");

    let endpoint = format!("telemetry.otlp.endpoint={COLLECTOR}");
    let chart = root.join("charts/caudal").display().to_string();
    // The documents' commands install the defaults; here nobody waits for a minute whenever workers are to go.
    let soon = "autoscaling.cooldownSeconds=10,autoscaling.stabilizationSeconds=10";
    kubectl::helm(&["install", "caudal", &chart, "--namespace", INVOICES.0, "--set", &endpoint, "--set", soon]).await?;
    INVOICES.rolled_out("deployment/caudal-api", START).await?;
    steps.done("helm install to API Ready");
    sample_goes_through(&mut steps).await?;
    // They wait more than they work, and nothing of one is the other's.
    tokio::try_join!(first_hour(&mut steps), others())?;
    steps.done("the rest of what was beside it");
    life(&chart, &mut steps).await
}

/// What the documents tell to do, and pods that are busy.
async fn first_hour(steps: &mut Steps) -> Result<()> {
    newcomer::run().await?;
    steps.done("the documents' commands, as they stand there");
    pods::spare(BUSY_PODS, steps).await
}

/// Other users, in namespaces of their own.
async fn others() -> Result<()> {
    let mut steps = Steps::begin();
    alone::run().await?;
    steps.done("beside it: the controller alone, by Helm 4, with somebody else's queue");
    laptop::up(&Tiltfile::evaluate()?).await?;
    steps.done("beside it: what tilt up brings, a burst and a killed worker");
    Ok(())
}

/// 100 invoices, by workers from none to one and back, and the trace of one.
async fn sample_goes_through(steps: &mut Steps) -> Result<()> {
    let client = Client::reaching(API).await?;
    let (first, rest) = sample::batches();
    let mut ids = send(&client, std::slice::from_ref(&first)).await?;
    recorded(&client, &ids, &[first]).await?;
    steps.done("API Ready to first batch recorded");

    none_left(INVOICES).await?;
    steps.done("workers 1 -> 0");
    ids = from_zero(&client, &rest, steps).await?;
    recorded(&client, &ids, &rest).await?;
    steps.done("all batches recorded");
    ledger_holds(0).await?;
    none_left(INVOICES).await?;
    steps.done("ledger exact, workers 1 -> 0");
    one_trace().await?;
    steps.done("a trace from the POST to the scaling and to the commit");
    Ok(())
}

/// All that happens to an installation until it goes, and after that.
async fn life(chart: &str, steps: &mut Steps) -> Result<()> {
    let slices = upheavals::run(INVOICES, chart, API, steps).await?;
    ledger_holds(slices).await?;
    steps.done("50,000 invoices recorded, each once");
    none_left(INVOICES).await?;
    afterlife::uninstall(INVOICES).await?;
    steps.done("uninstalled, but for volumes and passwords");
    install_with_keys(chart).await?;
    INVOICES.rolled_out("deployment/caudal-api", START).await?;
    ledger_holds(slices).await?;
    steps.done("a release of the same name takes up what is there");
    let told = ["successfully rolled out", "Phase:          Succeeded", "1 facturas recibidas y encoladas"];
    notes::follow(&Place::of(INVOICES).await?, "helm", &told).await?;
    steps.done("the notes of a release with API keys and without autoscaling, helm test among them");
    kubectl::helm(&["test", "caudal", "--namespace", INVOICES.0]).await?;
    steps.done("helm test again");
    Ok(())
}

/// Whoever calls needs a key, the very one that the notes speak of.
async fn install_with_keys(chart: &str) -> Result<()> {
    let keys = ["--from-literal=api-keys=shop:YOURS", "--from-literal=api-key=YOURS"];
    INVOICES.run(&[&["create", "secret", "generic", "keys"], keys.as_slice()].concat()).await?;
    let set = "autoscaling.enabled=false,api.apiKeys.existingSecret=keys,test.apiKey.existingSecret=keys";
    kubectl::helm(&["install", "caudal", chart, "--namespace", INVOICES.0, "--set", set]).await.map(drop)
}

/// Namespaces that refuse what is not restricted, and a collector.
async fn prepare(root: &Path) -> Result<()> {
    for namespace in [INVOICES, OBSERVABILITY] {
        namespace.create().await?;
    }
    let manifest = root.join("deploy/otel-collector.yaml");
    let manifest = fs::canonicalize(&manifest).with_context(|| manifest.display().to_string())?;
    OBSERVABILITY.run(&["apply", "--filename", &manifest.display().to_string()]).await?;
    OBSERVABILITY.rolled_out("deployment/otel-collector", START).await
}

/// Posts the batches, each twice: the second time it is known already. Returns the batches' addresses.
async fn send(client: &Client, batches: &[Batch]) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for batch in batches {
        let accepted = client.post(batch).await?;
        ensure!(accepted.status == 202, "a new batch was answered with {}: {}", accepted.status, accepted.body);
        let again = client.post(batch).await?;
        ensure!(again.status == 409, "a known batch was answered with {}: {}", again.status, again.body);
        places.push(accepted.location.context("202 without Location")?);
    }
    Ok(places)
}

/// Posts the batches while there is no worker, and tells how long the first one takes.
async fn from_zero(client: &Client, batches: &[Batch], steps: &mut Steps) -> Result<Vec<String>> {
    let ready = INVOICES.reached("deployment/caudal-worker", "{.status.readyReplicas}=1", RECORDED);
    let (head, tail) = batches.split_at(1);
    let begin = async {
        let places = send(client, head).await;
        steps.done("first POST, workers at 0");
        places
    };
    let (ready, places) = tokio::join!(ready, begin);
    ready.context("no worker became Ready")?;
    steps.done("workers 0 -> 1, after the first POST");
    let mut places = places?;
    places.extend(send(client, tail).await?);
    Ok(places)
}

async fn recorded(client: &Client, places: &[String], batches: &[Batch]) -> Result<()> {
    for (place, batch) in places.iter().zip(batches) {
        let wanted = batch.count;
        let lote = wait::until("the batch is recorded", RECORDED, async || client.finished(place).await).await?;
        let seen =
            (&lote["estado"], &lote["recibidas"], &lote["registradas"], &lote["sin_cambios"], &lote["rechazadas"]);
        let exact = seen.0 == "procesado" && seen.1 == wanted && seen.2 == wanted && seen.3 == 0;
        ensure!(exact && seen.4.as_array().is_some_and(Vec::is_empty), "{wanted} invoices sent, but {lote}");
    }
    Ok(())
}

/// Waits until the controller has taken the last worker away.
async fn none_left(namespace: Namespace) -> Result<()> {
    namespace.scaled_to_zero("deployment/caudal-worker", TO_ZERO).await?;
    wait::until("the last worker is gone", START, async || {
        let pods = namespace.pods(WORKERS).await.map_err(|error| format!("{error:#}"))?;
        if pods.is_empty() { Ok(()) } else { Err(format!("{pods:?}")) }
    })
    .await?;
    Ok(())
}

/// The sample, and so many slices of the load.
async fn ledger_holds(slices: usize) -> Result<()> {
    let mut wanted = sample::balances();
    load::add_to(&mut wanted, slices);
    let exact = wait::until("the ledger holds what was sent", TO_ZERO, async || {
        let answer = INVOICES.query(sample::BALANCES).await.map_err(|error| format!("{error:#}"))?;
        let found = sample::balances_of(&answer).map_err(|error| error.to_string())?;
        if found == wanted { Ok(()) } else { Err(sample::difference(&wanted, &found)) }
    });
    let Err(error) = exact.await else { return Ok(()) };
    let recorded = load::recorded(INVOICES).await.unwrap_or_else(|error| format!("{error:#}"));
    Err(error).with_context(|| format!("the ledger's numbers by slice: {recorded}"))
}

async fn one_trace() -> Result<()> {
    let found = wait::until("a trace reaches from the POST to the scaling and to the commit", RECORDED, async || {
        let log = OBSERVABILITY.run(&["logs", "deployment/otel-collector", "--tail=-1"]).await;
        let log = log.map_err(|error| format!("{error:#}"))?;
        traces::from_post_to_scale_and_commit(&traces::spans(&log))
    });
    found.await?;
    Ok(())
}
