//! `caudal adopt`: what the original service held goes on in Caudal.
//!
//! `celery-5.3.4.json` is what the original's own Celery (5.3.4, kombu 5.3.7) left in Redis when its worker was killed: a task taken,
//! two waiting, and one of another kind.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caudal_testkit::wait;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::cli::caudal;
use crate::client::invoices;
use crate::queue::redis;
use crate::stack::Stack;

const SOON: Duration = Duration::from_secs(15);
const LEFT_BEHIND: &str = include_str!("adopt/celery-5.3.4.json");

/// Puts into Redis what the original left behind, and two of its keys.
async fn leave_behind(stack: &Stack) {
    let left: Value = serde_json::from_str(LEFT_BEHIND).unwrap();
    for message in left["celery"].as_array().unwrap() {
        redis(stack, &["rpush", "celery", message.as_str().unwrap()]).await;
    }
    for (tag, message) in left["unacked"].as_object().unwrap() {
        redis(stack, &["hset", "unacked", tag, message.as_str().unwrap()]).await;
        redis(stack, &["zadd", "unacked_index", &left["unacked_index"][tag].to_string(), tag]).await;
    }
    redis(stack, &["set", "idempotency:old-key", "1", "ex", "3600"]).await;
    // A header with an ñ in Latin-1, as the original kept it.
    redis(stack, &["set", "idempotency:clave-ñ", "1", "ex", "86400"]).await;
}

/// How many messages lie where.
async fn lying(stack: &Stack) -> [String; 3] {
    [
        redis(stack, &["llen", "celery"]).await,
        redis(stack, &["hlen", "unacked"]).await,
        redis(stack, &["zcard", "unacked_index"]).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_original_left_behind_is_recorded_and_its_keys_answer_409() {
    let stack = Stack::start().await;
    leave_behind(&stack).await;

    let would = caudal(&stack, &["adopt", "--dry-run"]).await;
    assert_eq!(
        would.stdout,
        "2 idempotency keys: would be taken over\n3 tasks with 5 invoices: would be admitted\n1 message: left where they are\n"
    );
    assert_eq!(lying(&stack).await, ["3", "1", "1"]);
    assert_eq!(redis(&stack, &["exists", "caudal:{facturas}:stream"]).await, "0");

    let adopted = caudal(&stack, &["adopt"]).await;
    assert!(!adopted.success, "one message is of another kind");
    assert_eq!(
        adopted.stdout,
        "2 idempotency keys: 2 taken over, 0 known already\n3 tasks with 5 invoices: admitted\n1 message: left where they are\n"
    );
    let told: Vec<_> = adopted.stderr.lines().collect();
    assert!(told[0].ends_with("of celery stays: it is for another task, \"worker.otra\""), "{}", adopted.stderr);
    assert_eq!(told[1..], ["caudal: 1 message could not be taken over"]);
    assert_eq!(lying(&stack).await, ["1", "0", "0"]);

    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    assert_eq!(api.client.post("old-key", &invoices("old", 1)).await.status, StatusCode::CONFLICT);
    let latin = reqwest::Client::new().post(format!("{}/facturas/", api.url)).json(&invoices("latin", 1));
    let latin = latin.header("idempotency-key", reqwest::header::HeaderValue::from_bytes(b"clave-\xF1").unwrap());
    assert_eq!(latin.send().await.unwrap().status(), StatusCode::CONFLICT);
    wait::until("all is recorded", SOON, async || match stack.totals().await {
        Ok(totals) if totals == "5 1000000022744.34 1000000022744.34" => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
    // The amounts went as they were written.
    assert_eq!(stack.ask("SELECT amount FROM invoices WHERE number = 'C-3'").await.unwrap(), "0.1000");
    assert_eq!(stack.ask("SELECT rut FROM invoices WHERE number = 'Ñ-5'").await.unwrap(), "22222222-2");

    let again = caudal(&stack, &["adopt", "--json"]).await.json();
    let summary = &again["summary"];
    assert_eq!((&summary["keys_found"], &summary["keys_adopted"]), (&2.into(), &0.into()), "{again}");
    assert_eq!((&summary["tasks"], &summary["messages_left"]), (&0.into(), &1.into()), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_api_asks_for_keys_the_named_caller_finds_what_was_taken_over() {
    let mut stack = Stack::start().await;
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    std::fs::write(&keys, "acme:secret-key\n").unwrap();
    stack.environment.push(("CAUDAL_API_KEYS_FILE".to_owned(), keys.to_str().unwrap().to_owned()));
    redis(&stack, &["set", "idempotency:old-key", "1", "ex", "3600"]).await;
    assert!(caudal(&stack, &["adopt", "--caller", "acme"]).await.success);

    let api = stack.api().await;
    let repeat = reqwest::Client::new().post(format!("{}/facturas/", api.url)).json(&invoices("old", 1));
    let repeat = repeat.bearer_auth("secret-key").header("idempotency-key", "old-key");
    assert_eq!(repeat.send().await.unwrap().status(), StatusCode::CONFLICT);
}

/// A message as the fixture's, with one invoice of this amount.
fn message(amount: u32) -> String {
    let left: Value = serde_json::from_str(LEFT_BEHIND).unwrap();
    let mut message: Value = serde_json::from_str(left["celery"][1].as_str().unwrap()).unwrap();
    let invoice =
        json!({"numero_factura": "V-1", "rut_cliente": "11111111-1", "monto": amount, "fecha_emision": "2025-08-24"});
    message["body"] = BASE64_STANDARD.encode(json!([[[invoice]], {}, {}]).to_string()).into();
    message["headers"]["id"] = format!("task-{amount}").into();
    message.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_versions_the_one_that_was_sent_last_stands() {
    let stack = Stack::start().await;
    // More than a page of them, and the two oldest had been taken.
    for amount in 3..=40 {
        redis(&stack, &["lpush", "celery", &message(amount)]).await;
    }
    for (amount, tag) in [(2, "a"), (1, "b")] {
        redis(&stack, &["hset", "unacked", tag, &format!("[{}, \"\", \"celery\"]", message(amount))]).await;
        redis(&stack, &["zadd", "unacked_index", &amount.to_string(), tag]).await;
    }
    assert!(caudal(&stack, &["adopt"]).await.success);
    assert_eq!(recorded(&stack).await, "1 40.00 40.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_with_another_priority_is_taken_over_too() {
    let stack = Stack::start().await;
    for (amount, list) in
        [(1, "celery"), (2, "celery\u{6}\u{16}3"), (3, "celery\u{6}\u{16}6"), (4, "celery\u{6}\u{16}9")]
    {
        redis(&stack, &["lpush", list, &message(amount)]).await;
    }
    redis(&stack, &["lpush", "celery", "no message"]).await;
    redis(&stack, &["lpush", "celery\u{6}\u{16}6", "no message"]).await;
    let adopted = caudal(&stack, &["adopt"]).await;
    assert!(adopted.stdout.contains("4 tasks with 4 invoices: admitted\n2 messages: left"), "{}", adopted.stdout);
    assert_eq!(recorded(&stack).await, "1 4.00 4.00");
    assert_eq!(redis(&stack, &["exists", "celery\u{6}\u{16}3", "celery\u{6}\u{16}9"]).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_more_invoices_than_a_batch_may_have_is_taken_over_in_parts_and_in_order() {
    let stack = Stack::start().await;
    let invoice = |number: usize, amount: u32| json!({"numero_factura": format!("V-{number}"), "rut_cliente": "11111111-1", "monto": amount, "fecha_emision": "2025-08-24"});
    // The first is corrected by the last, which is in another part.
    let mut invoices: Vec<_> = (0..10_000).map(|number| invoice(number, 1)).collect();
    invoices.push(invoice(0, 5));
    let mut task: Value = serde_json::from_str(&message(1)).unwrap();
    task["body"] = BASE64_STANDARD.encode(json!([[invoices], {}, {}]).to_string()).into();
    let mut connection = ::redis::Client::open(stack.redis.url()).unwrap().get_connection().unwrap();
    let () = ::redis::cmd("LPUSH").arg("celery").arg(task.to_string()).query(&mut connection).unwrap();

    let adopted = caudal(&stack, &["adopt"]).await;
    assert!(adopted.stdout.contains("1 task with 10,001 invoices: admitted"), "{}{}", adopted.stdout, adopted.stderr);
    assert_eq!(recorded(&stack).await, "10000 10004.00 10004.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_the_original_that_still_run_are_told_of() {
    let stack = Stack::start().await;
    assert_eq!(caudal(&stack, &["adopt"]).await.stderr, "");
    let waits = ["brpop", "celery", "celery\u{6}\u{16}3", "60"];
    let mut worker = tokio::process::Command::new("redis-cli");
    let worker = worker.args(["-p", &stack.redis.port().to_string()]).args(waits).kill_on_drop(true);
    let _worker = worker.stdout(std::process::Stdio::null()).spawn().unwrap();
    let listening = wait::until("the worker waits", SOON, async || {
        let clients = redis(&stack, &["client", "list"]).await;
        if clients.contains("cmd=brpop") { Ok(()) } else { Err(clients) }
    });
    listening.await.unwrap();
    let warned = caudal(&stack, &["adopt"]).await;
    assert!(warned.success && warned.stderr.contains("stop these first"), "{}", warned.stderr);
}

/// What the ledger holds once nothing waits any more.
async fn recorded(stack: &Stack) -> String {
    let _worker = stack.worker().await;
    let empty = wait::until("all is recorded", SOON, async || {
        let backlog = redis(stack, &["get", "caudal:{facturas}:backlog"]).await;
        if backlog == "0" { Ok(()) } else { Err(backlog) }
    });
    empty.await.unwrap();
    stack.totals().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_workers_had_taken_the_last_sent_stands_too() {
    let stack = Stack::start().await;
    for (amount, tag) in [(3, "a"), (1, "b"), (2, "c")] {
        redis(&stack, &["hset", "unacked", tag, &format!("[{}, \"\", \"celery\"]", message(amount))]).await;
        redis(&stack, &["zadd", "unacked_index", &amount.to_string(), tag]).await;
    }
    assert!(caudal(&stack, &["adopt"]).await.success);
    assert_eq!(recorded(&stack).await, "1 3.00 3.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_admission_and_removal_does_no_harm() {
    let stack = Stack::start().await;
    leave_behind(&stack).await;
    caudal(&stack, &["adopt"]).await;
    // As if no message had been removed.
    leave_behind(&stack).await;
    redis(&stack, &["del", "celery"]).await;
    leave_behind(&stack).await;
    let again = caudal(&stack, &["adopt", "--json"]).await.json();
    assert_eq!(again["summary"]["tasks"], 3, "{again}");
    assert_eq!(redis(&stack, &["get", "caudal:{facturas}:backlog"]).await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_over_key_lives_as_long_as_it_had_left_and_never_shorter_than_before() {
    let stack = Stack::start().await;
    redis(&stack, &["set", "idempotency:a", "1", "ex", "3600"]).await;
    caudal(&stack, &["adopt"]).await;
    let key = redis(&stack, &["--no-raw", "keys", "caudal:{facturas}:idem:*"]).await;
    assert!(key.starts_with("1) ") && !key.contains("2) "), "{key}");
    let left = async || {
        let script = "return redis.call('TTL', redis.call('KEYS', 'caudal:{facturas}:idem:*')[1])";
        redis(&stack, &["eval", script, "0"]).await.parse::<u64>().unwrap()
    };
    assert!((3_500..=3_600).contains(&left().await), "{}", left().await);

    redis(&stack, &["set", "idempotency:a", "1", "ex", "60"]).await;
    caudal(&stack, &["adopt"]).await;
    assert!(left().await > 3_500, "a shorter time shortens nothing");
    redis(&stack, &["set", "idempotency:a", "1", "ex", "7200"]).await;
    caudal(&stack, &["adopt"]).await;
    assert!(left().await > 7_000, "a longer time is kept too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_stays_and_does_not_stop_the_rest() {
    let stack = Stack::start().await;
    let left: Value = serde_json::from_str(LEFT_BEHIND).unwrap();
    let good = left["celery"].as_array().unwrap().last().unwrap().as_str().unwrap();
    // Oldest, last in the list: more than a page of what is no message at all.
    redis(&stack, &["lpush", "celery", "no message"]).await;
    for number in 0..40 {
        redis(&stack, &["lpush", "celery", &format!("{{\"broken\": {number}}}")]).await;
    }
    redis(&stack, &["lpush", "celery", good]).await;
    redis(&stack, &["hset", "unacked", "a-tag", "[]"]).await;

    let adopted = caudal(&stack, &["adopt", "--json"]).await;
    assert!(!adopted.success);
    let summary = &adopted.json()["summary"];
    assert_eq!((&summary["tasks"], &summary["messages_left"]), (&1.into(), &42.into()), "{summary}");
    assert_eq!(lying(&stack).await, ["41", "1", "0"]);
    let first: Value = serde_json::from_str(adopted.stdout.lines().next().unwrap()).unwrap();
    let reason = "it is no Celery message of protocol 2";
    assert_eq!(first["left"], json!({"from": "unacked", "task": null, "reason": reason}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_waited_for_and_another_redis_may_be_named() {
    let (stack, other) = tokio::join!(Stack::start(), Stack::start());
    leave_behind(&other).await;
    let mut command = stack.command(&["adopt", "--from-redis", &other.redis.url(), "--max-backlog", "4"]);
    command.env("CAUDAL_LOG", "warn");
    let adopt = caudal_testkit::Process::start(&command, caudal_testkit::Output::Inherit).unwrap();
    wait::until("the queue is full", SOON, async || match redis(&stack, &["get", "caudal:{facturas}:backlog"]).await {
        full if full == "3" => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
    assert!(adopt.exited().is_none(), "it waits");
    assert_eq!(lying(&other).await[0], "2", "what is not admitted is not removed");

    let _worker = stack.worker().await;
    tokio::time::timeout(SOON, adopt.wait()).await.unwrap().unwrap();
    assert_eq!(lying(&other).await, ["1", "0", "0"]);
    wait::until("all is recorded", SOON, async || match stack.totals().await {
        Ok(totals) if totals.starts_with("5 ") => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
}
