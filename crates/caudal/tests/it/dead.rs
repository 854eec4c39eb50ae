//! `caudal dead`: a buried invoice is found, understood, tried again or dropped.

use std::time::Duration;

use caudal_testkit::wait;
use serde_json::{Value, json};

use crate::cli::caudal;
use crate::client::Answer;
use crate::stack::{Api, Stack};

const SOON: Duration = Duration::from_secs(15);

fn invoice(number: &str, amount: &str) -> Value {
    json!({"numero_factura": number, "rut_cliente": "11.111.111-1", "monto": amount, "fecha_emision": "2025-08-24"})
}

/// A batch of three, of which the database refuses one.
async fn buried(stack: &Stack, api: &Api, number: &str) -> Answer {
    let batch = json!([invoice("A-1", "10"), invoice(number, "20.5"), invoice("A-2", "30")]);
    let answer = api.client.post(number, &batch).await;
    let status = api.client.done(&answer, SOON).await;
    assert_eq!(status["estado"], "con_errores", "{status}");
    assert_eq!(status["rechazadas"][0]["numero_factura"], number, "{status}");
    assert_eq!(stack.ask("SELECT count(*) FROM invoices").await.unwrap(), "2");
    answer
}

/// The code that the first listed letter has.
async fn code(stack: &Stack) -> String {
    let list = caudal(stack, &["dead", "list", "--json"]).await.json();
    list["letters"][0]["code"].as_str().unwrap().to_owned()
}

/// The ids that `caudal dead list` names.
async fn listed(stack: &Stack, more: &[&str]) -> Vec<String> {
    let list = caudal(stack, &[&["dead", "list", "--json"], more].concat()).await.json();
    let id = |letter: &Value| letter["id"].as_str().unwrap().to_owned();
    list["letters"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buried_invoice_is_found_retried_once_its_cause_is_mended_and_recorded_with_the_right_balance() {
    let stack = Stack::start().await;
    stack.ask("ALTER TABLE invoices ADD CONSTRAINT no_b CHECK (number <> 'B-1')").await.unwrap();
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let answer = buried(&stack, &api, "B-1").await;

    let list = caudal(&stack, &["dead", "list"]).await;
    let (head, row) = list.stdout.split_once('\n').unwrap();
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), ["ID", "BURIED", "CODE", "INVOICE", "TRIED", "REASON"]);
    let code = code(&stack).await;
    assert!(row.contains(&code) && row.contains(" B-1 ") && row.contains("23514"), "{row}");
    let [id] = &listed(&stack, &["--code", &code]).await[..] else { panic!("{}", list.stdout) };
    let shown = caudal(&stack, &["dead", "show", id]).await;
    assert!(shown.stdout.ends_with("invoice   B-1 of 11.111.111-1: 20.5, issued on 2025-08-24\n"), "{}", shown.stdout);

    // While the cause stands, a retry ends where it began.
    assert_eq!(caudal(&stack, &["dead", "retry", id]).await.stdout, "retried 1 dead letter\n");
    let again = wait::until("it is buried again", SOON, async || {
        let ids = listed(&stack, &[]).await;
        ids.first().filter(|again| *again != id).cloned().ok_or(ids)
    });
    let again = again.await.unwrap();
    assert_eq!(stack.totals().await.unwrap(), "2 40.00 40.00");

    stack.ask("ALTER TABLE invoices DROP CONSTRAINT no_b").await.unwrap();
    assert!(caudal(&stack, &["dead", "retry", &again]).await.success);
    let status = wait::until("it is recorded", SOON, async || {
        let status = api.client.status(answer.location.as_deref().unwrap()).await;
        if status["estado"] == "procesado" { Ok(status) } else { Err(status) }
    });
    let status = status.await.unwrap();
    assert_eq!((&status["registradas"], &status["rechazadas"]), (&3.into(), &json!([])), "{status}");
    assert_eq!(stack.totals().await.unwrap(), "3 60.50 60.50");
    assert!(listed(&stack, &[]).await.is_empty());
    let balance: Value =
        reqwest::get(format!("{}/clientes/11111111-1", api.ops_url)).await.unwrap().json().await.unwrap();
    assert_eq!(balance["saldo"].as_str().map(|saldo| saldo.trim_end_matches('0')), Some("60.5"), "{balance}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_picked_by_what_they_have_in_common_and_a_dry_run_changes_nothing() {
    let stack = Stack::start().await;
    stack.ask("ALTER TABLE invoices ADD CONSTRAINT no_b CHECK (number NOT LIKE 'B-%')").await.unwrap();
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let first = buried(&stack, &api, "B-1").await;
    buried(&stack, &api, "B-2").await;
    buried(&stack, &api, "B-3").await;

    let all = listed(&stack, &[]).await;
    assert_eq!(all.len(), 3);
    let page = caudal(&stack, &["dead", "list", "--json", "--limit", "2"]).await.json();
    assert_eq!(page["next"], all[1], "{page}");
    assert_eq!(listed(&stack, &["--limit", "2", "--after", &all[1]]).await, all[2..]);
    let batch = first.location.as_deref().unwrap().trim_start_matches("/lotes/").to_owned();
    assert_eq!(listed(&stack, &["--batch", &batch]).await, all[..1]);
    assert_eq!(listed(&stack, &["--reason", "A Check"]).await, all);
    assert!(listed(&stack, &["--code", "none"]).await.is_empty());

    let code = code(&stack).await;
    let would = caudal(&stack, &["dead", "drop", "--code", &code, "--dry-run"]).await;
    assert_eq!(would.stdout, format!("3 dead letters with 3 invoices (3 {code}) would be dropped\n"));
    let unsure = caudal(&stack, &["dead", "drop", "--all"]).await;
    assert!(!unsure.success && unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    let unclear = caudal(&stack, &["dead", "drop", "--yes"]).await;
    assert!(!unclear.success && unclear.stderr.contains("--all"), "{}", unclear.stderr);
    assert_eq!(listed(&stack, &[]).await, all);

    assert_eq!(caudal(&stack, &["dead", "drop", "--yes", &all[0]]).await.stdout, "dropped 1 dead letter\n");
    let gone = caudal(&stack, &["dead", "drop", "--yes", &all[0], &all[1]]).await;
    assert_eq!((gone.success, gone.stdout.as_str()), (false, "dropped 1 dead letter\n"));
    assert_eq!(gone.stderr, "caudal: one of them is not there (any more)\n");
    let dropped = caudal(&stack, &["dead", "drop", "--yes", "--all", "--json"]).await.json();
    assert_eq!((&dropped["fate"], &dropped["letters"]), (&"dropped".into(), &1.into()), "{dropped}");
    assert!(listed(&stack, &[]).await.is_empty());
    let show = caudal(&stack, &["dead", "show", &all[0]]).await;
    assert_eq!(show.stderr, format!("caudal: there is no dead letter {} (any more)\n", all[0]));
}
