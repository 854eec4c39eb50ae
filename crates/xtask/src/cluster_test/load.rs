//! 50,000 invoices, sent by pods in slices, and what the ledger must hold of them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use caudal_testkit::wait;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::kubectl::Namespace;
use super::sample::Balances;
use crate::image::CAUDAL;

/// How many slices there are.
pub(crate) const SLICES: usize = 8;
/// How many invoices each has.
pub(crate) const SLICE: usize = 6_250;
const BATCH: usize = 50;
/// How many of a slice are sent when all that was to happen has happened.
const AFTERWARDS: usize = 1_000;
/// Between two batches while something is to happen.
const PACE: Duration = Duration::from_millis(100);
const HEADER: &[u8] = b"numero_factura,rut_cliente,monto,fecha_emision\n";
const CLIENTS: usize = 97;
/// How long one pod may take for its slice before another begins it anew.
const LIMIT: Duration = Duration::from_secs(240);
const ATTEMPTS: usize = 8;

/// Sends a slice from a pod until all of it is accepted, and lets `event` happen meanwhile: it begins when the first invoices are
/// recorded, and the last ones are sent after it. A pod that is killed is followed by another, which sends the slice from its
/// beginning; the keys of its batches make that harmless. Answers what the pods said that did not end well.
///
/// # Errors
/// The event's, and what the last pod said when none got through.
pub(crate) async fn send_during(
    namespace: Namespace,
    api: &str,
    slice: usize,
    event: impl Future<Output = Result<()>>,
) -> Result<Vec<String>> {
    let over = CancellationToken::new();
    let event = async {
        under_way(namespace, slice).await?;
        event.await?;
        over.cancel();
        Ok(())
    };
    tokio::try_join!(send(namespace, api, slice, &over), event).map(|(failures, ())| failures)
}

/// Sends a slice as fast as it is taken in. Answers as [`send_during`].
///
/// # Errors
/// What the last pod said when none got through.
pub(crate) async fn send_at_once(namespace: Namespace, api: &str, slice: usize) -> Result<Vec<String>> {
    let over = CancellationToken::new();
    over.cancel();
    send(namespace, api, slice, &over).await
}

async fn send(namespace: Namespace, api: &str, slice: usize, over: &CancellationToken) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    loop {
        let name = format!("sender-{slice}-{}", failures.len() + 1);
        match pod(namespace, &name, api, slice, over).await {
            Ok(()) => return Ok(failures),
            Err(error) if failures.len() + 1 == ATTEMPTS => return Err(error),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
}

/// Waits until the first of the slice is recorded.
async fn under_way(namespace: Namespace, slice: usize) -> Result<()> {
    let first = numbers(slice).start;
    let question = format!("select count(*) from invoices where rut = '{}' and number = 'L-{first}'", client(first));
    let recorded = async || match namespace.query(&question).await {
        Ok(count) if count == "1" => Ok(()),
        other => Err(format!("{other:?}")),
    };
    Ok(wait::until("the first of the slice are recorded", LIMIT, recorded).await?)
}

async fn pod(namespace: Namespace, name: &str, api: &str, slice: usize, over: &CancellationToken) -> Result<()> {
    let image = format!("--image={CAUDAL}");
    let overrides = format!("--overrides={}", restricted(name));
    let run = ["run", name, &image, "--restart=Never", "--stdin", "--rm", "--quiet", "--override-type=strategic"];
    let batch = format!("--batch={BATCH}");
    let send = ["--", "send", "-", "--format=csv", "--json", "--url", api, &batch, "--concurrency=2", "--patience=120"];
    let arguments = [&run, [overrides.as_str()].as_slice(), &send].concat();
    let said = namespace.fed(LIMIT, &arguments, async |stdin| feed(stdin, slice, over).await).await?;
    let told = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let summary = told.map(|told| told["summary"].clone()).find(|summary| !summary.is_null()).context("no summary")?;
    ensure!(summary["accepted"] == SLICE, "not all of the slice is accepted: {said}");
    Ok(())
}

/// How much of each slice is recorded, for whoever looks for what is not.
pub(crate) async fn recorded(namespace: Namespace) -> Result<String> {
    let slice = format!("substr(number, 3)::int / {SLICE}");
    let question = format!("select {slice}, count(*) from invoices where number like 'L-%' group by 1 order by 1");
    Ok(namespace.query(&question).await?.replace('\n', ", "))
}

/// Writes a batch's lines at a time, slowly while something is to happen, and the last ones after that.
async fn feed(mut pod: ChildStdin, slice: usize, over: &CancellationToken) {
    // A pod that ends before it has read everything says itself why.
    if pod.write_all(HEADER).await.is_err() {
        return;
    }
    let numbers: Vec<usize> = numbers(slice).collect();
    let mut left = numbers.len();
    for batch in numbers.chunks(BATCH) {
        if left <= AFTERWARDS {
            over.cancelled().await;
        }
        over.run_until_cancelled(sleep(PACE)).await;
        let lines: String = batch.iter().map(|index| line(*index)).collect();
        if pod.write_all(lines.as_bytes()).await.is_err() {
            return;
        }
        left -= batch.len();
    }
}

fn restricted(name: &str) -> Value {
    let container = json!({
        "name": name,
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
    });
    let pod = json!({ "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } });
    json!({ "spec": { "securityContext": pod, "automountServiceAccountToken": false, "containers": [container] } })
}

/// What the slice's pod reads of an invoice.
fn line(index: usize) -> String {
    let cents = cents(index);
    format!("L-{index},{},{}.{:02},2026-02-01\n", client(index), cents / 100, cents % 100)
}

/// Adds what the ledger must hold of these slices.
pub(crate) fn add_to(balances: &mut Balances, slices: usize) {
    for index in (0..slices).flat_map(numbers) {
        let entry = balances.entry(client(index)).or_default();
        let amount = i64::try_from(cents(index)).unwrap_or(0) * 100;
        *entry = [entry[0] + amount, entry[1] + 1, entry[2] + amount, entry[3] + 1];
    }
}

fn numbers(slice: usize) -> std::ops::Range<usize> {
    slice * SLICE..(slice + 1) * SLICE
}

fn client(index: usize) -> String {
    format!("{}-0", 60_000_000 + index % CLIENTS)
}

fn cents(index: usize) -> usize {
    index * 31 + 7
}
