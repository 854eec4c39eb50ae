//! The end of the run: what stands against what must stand.

use std::collections::HashMap;
use std::time::Duration;

use caudal_queue::Queue;
use caudal_testkit::wait;
use serde_json::Value;

use super::sender::{Key, Knowledge};
use crate::client::Client;
use crate::stack::output;

/// Rows that are told of at most where they are wrong.
const TOLD: usize = 10;

/// Waits until nothing is left to do, and returns what then stands in the queue that should not.
pub(super) async fn drained(queue: &Queue, within: Duration) -> Vec<String> {
    let drained = wait::until("the queue is empty", within, async || match queue.backlog().await {
        Ok(backlog) if backlog.invoices == 0 && backlog.waiting_chunks + backlog.in_flight_chunks == 0 => Ok(backlog),
        Ok(backlog) => Err(format!("{backlog:?}")),
        Err(error) => Err(error.to_string()),
    });
    match drained.await {
        Ok(backlog) if backlog.dead == 0 => Vec::new(),
        Ok(backlog) => vec![format!("{} dead letters", backlog.dead)],
        Err(error) => vec![error.to_string()],
    }
}

/// What of the ledger differs from what the clients know.
pub(super) async fn ledger(database: &str, expected: &HashMap<Key, i64>) -> Vec<String> {
    let rows = output(database, "SELECT rut, number, (amount * 10000)::bigint FROM invoices").await.unwrap();
    let stands: HashMap<Key, i64> = rows.lines().map(invoice).collect();
    let missing = expected.iter().filter_map(|(key, amount)| match stands.get(key) {
        None => Some(format!("{key:?} was accepted and is not in the ledger")),
        Some(other) if other != amount => Some(format!("{key:?} stands with {other}, the newest amount is {amount}")),
        Some(_) => None,
    });
    let unsent = stands.keys().filter(|key| !expected.contains_key(*key));
    let unsent = unsent.map(|key| format!("{key:?} is in the ledger and was never sent"));
    let wrong_balances = "SELECT clients.rut FROM clients LEFT JOIN invoices USING (rut) GROUP BY clients.rut
        HAVING clients.balance <> coalesce(sum(amount), 0) OR clients.invoice_count <> count(number)";
    let balances = output(database, wrong_balances).await.unwrap();
    let balances = balances.lines().map(|rut| format!("the balance of {rut} is not the sum of its invoices"));
    told(missing).chain(told(unsent)).chain(told(balances)).collect()
}

fn told(wrong: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    wrong.take(TOLD)
}

/// Reads `rut|number|amount`.
fn invoice(row: &str) -> (Key, i64) {
    let mut columns = row.split('|');
    let mut column = || columns.next().unwrap();
    let key = (column().to_owned(), column().to_owned());
    (key, column().parse().unwrap())
}

/// The accepted batches whose status is not that of a batch that is done.
pub(super) async fn batches(client: &Client, knowledge: &Knowledge) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, size) in &knowledge.batches {
        let lote = client.status(place).await;
        let number = |field: &str| lote[field].as_u64().unwrap_or_default();
        let settled = number("registradas") + number("sin_cambios");
        let done =
            (&lote["estado"], number("recibidas"), settled) == (&Value::from("procesado"), *size as u64, *size as u64);
        if !done && wrong.len() < TOLD {
            wrong.push(format!("a batch of {size} is not done: {lote}"));
        }
    }
    wrong
}
