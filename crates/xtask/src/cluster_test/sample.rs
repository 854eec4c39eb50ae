//! 100 invoices, and what the ledger must hold when they are recorded.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::json;

/// How many invoices each batch has; the first goes ahead alone.
const SIZES: [usize; 5] = [10, 1, 29, 42, 18];
const CLIENTS: [&str; 4] = ["11111111-1", "22222222-2", "33333333-3", "44444444-4"];

/// Asks the ledger for what [`balances_of`] reads. The balance is given three ways: they must agree.
pub(crate) const BALANCES: &str = "select c.rut, c.balance, c.invoice_count, sum(i.amount), count(*) \
     from clients c join invoices i using (rut) group by c.rut, c.balance, c.invoice_count order by c.rut";

/// What one POST brings.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The Idempotency-Key.
    pub key: String,
    /// The JSON text.
    pub body: String,
    /// How many invoices it has.
    pub count: usize,
}

/// A client's balance in ten-thousandths, and number of invoices, as kept and as added up.
pub(crate) type Balances = BTreeMap<String, [i64; 4]>;

/// The first batch and the others.
pub(crate) fn batches() -> (Batch, Vec<Batch>) {
    let mut start = 0;
    let mut batches = SIZES.map(|count| {
        let numbers = start..start + count;
        start += count;
        let invoices: Vec<_> = numbers.map(invoice).collect();
        Batch { key: format!("batch-{start}"), body: json!(invoices).to_string(), count }
    });
    let [first, ..] = &mut batches;
    let first = Batch { key: first.key.clone(), body: std::mem::take(&mut first.body), count: first.count };
    (first, batches.into_iter().skip(1).collect())
}

/// What the ledger must hold.
pub(crate) fn balances() -> Balances {
    let mut balances = Balances::new();
    for index in 0..SIZES.iter().sum() {
        let entry = balances.entry(client(index).to_owned()).or_default();
        let amount = cents(index) * 100;
        *entry = [entry[0] + amount, entry[1] + 1, entry[2] + amount, entry[3] + 1];
    }
    balances
}

/// Reads the ledger's answer to [`BALANCES`].
pub(crate) fn balances_of(rows: &str) -> Result<Balances> {
    rows.lines().map(|row| row_of(row).with_context(|| format!("not a row: {row}"))).collect()
}

/// The clients whose numbers differ, for a person.
pub(crate) fn difference(wanted: &Balances, found: &Balances) -> String {
    let clients: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differing = clients.into_iter().filter(|client| wanted.get(*client) != found.get(*client));
    let told = differing.map(|client| format!("{client}: {:?} instead of {:?}", found.get(client), wanted.get(client)));
    let told: Vec<String> = told.collect();
    format!(
        "{} of {} clients differ: {}",
        told.len(),
        wanted.len(),
        told.iter().take(5).cloned().collect::<Vec<_>>().join("; ")
    )
}

fn row_of(row: &str) -> Option<(String, [i64; 4])> {
    let fields: Vec<&str> = row.split('|').collect();
    let [rut, balance, count, sum, counted] = fields.as_slice() else { return None };
    let numbers = [ten_thousandths(balance)?, count.parse().ok()?, ten_thousandths(sum)?, counted.parse().ok()?];
    Some(((*rut).to_owned(), numbers))
}

fn ten_thousandths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<4}");
    if fraction.len() != 4 {
        return None;
    }
    format!("{whole}{fraction}").parse().ok()
}

fn invoice(index: usize) -> serde_json::Value {
    let amount = format!("{}.{:02}", cents(index) / 100, cents(index) % 100);
    json!({
        "numero_factura": format!("F-{index:03}"),
        "rut_cliente": client(index),
        "monto": amount,
        "fecha_emision": format!("2026-01-{:02}", index % 28 + 1),
    })
}

fn client(index: usize) -> &'static str {
    CLIENTS[index % CLIENTS.len()]
}

fn cents(index: usize) -> i64 {
    let index = i64::try_from(index).unwrap_or(0);
    index * 7_919 + 101
}

#[cfg(test)]
mod tests;
