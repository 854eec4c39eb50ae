//! 50,000 invoices, sent by pods in slices, and what the ledger must hold of them.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::kubectl::Namespace;
use super::sample::Balances;
use crate::image::CAUDAL;

/// How many slices there are.
pub(crate) const SLICES: usize = 8;
const SLICE: usize = 6_250;
const CLIENTS: usize = 97;
/// How long one pod may take for its slice before another begins it anew.
const LIMIT: Duration = Duration::from_secs(240);
const ATTEMPTS: usize = 8;

/// Sends a slice from a pod until all of it is accepted. The pod may be killed: its slice is sent again from the beginning, which the
/// keys of its batches make harmless. Answers how many pods it took.
///
/// # Errors
/// What the last pod said, when none got through.
pub(crate) async fn send(namespace: Namespace, api: &str, slice: usize) -> Result<usize> {
    let csv = csv(slice);
    let mut attempt = 1;
    loop {
        let name = format!("sender-{slice}-{attempt}");
        match pod(namespace, &name, api, &csv).await {
            Ok(_) => return Ok(attempt),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(_) => attempt += 1,
        }
    }
}

async fn pod(namespace: Namespace, name: &str, api: &str, csv: &str) -> Result<String> {
    let image = format!("--image={CAUDAL}");
    let overrides = format!("--overrides={}", restricted(name));
    let run = ["run", name, &image, "--restart=Never", "--stdin", "--rm", "--quiet", "--override-type=strategic"];
    let send = ["--", "send", "-", "--format=csv", "--url", api, "--batch=50", "--concurrency=2", "--patience=120"];
    namespace.fed(LIMIT, &[&run, [overrides.as_str()].as_slice(), &send].concat(), csv).await
}

fn restricted(name: &str) -> serde_json::Value {
    let container = json!({
        "name": name,
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
    });
    let pod = json!({ "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } });
    json!({ "spec": { "securityContext": pod, "automountServiceAccountToken": false, "containers": [container] } })
}

/// What the slice's pod reads.
fn csv(slice: usize) -> String {
    let mut csv = "numero_factura,rut_cliente,monto,fecha_emision\n".to_owned();
    for index in numbers(slice) {
        let cents = cents(index);
        csv += &format!("L-{index},{},{}.{:02},2026-02-01\n", client(index), cents / 100, cents % 100);
    }
    csv
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
