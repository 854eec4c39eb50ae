//! Deaths and outages: nothing accepted is lost or doubled.

use std::time::Duration;

use caudal_testkit::{OtlpSink, Output, Process, Signal, wait};
use reqwest::StatusCode;

use crate::client::invoices;
use crate::stack::{Stack, kill};
use crate::trace::{TRACE, traced, traceparent};

/// Within this time of a worker's death others have recorded what it held.
const TAKEN_OVER: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_mid_transaction_loses_and_doubles_nothing() {
    let sink = OtlpSink::start().await.unwrap();
    let stack = traced(&sink, &[]).await;
    let (api, doomed) = tokio::join!(stack.api(), stack.worker());
    let first = api.client.post("before", &invoices("before", 3)).await;
    api.client.done(&first, SOON).await;

    let lock = "BEGIN; SELECT rut FROM clients WHERE rut = '22222222-2' FOR UPDATE; SELECT pg_sleep(60)";
    let _blocker = Process::start(&stack.psql(lock), Output::Inherit).unwrap();
    wait::until("the row is locked", SOON, async || waiting(&stack, "PgSleep").await).await.unwrap();
    let headers = [("traceparent", &*traceparent())];
    let answer = api.client.post_with("doomed", &invoices("doomed", 100), &headers).await;
    wait::until("the worker waits inside its transaction", SOON, async || waiting(&stack, "transactionid").await)
        .await
        .unwrap();
    kill(doomed).await;
    stack.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await.unwrap();

    let other = stack.worker().await;
    let status = api.client.done(&answer, TAKEN_OVER).await;
    assert_eq!((&status["estado"], &status["registradas"]), (&"procesado".into(), &100.into()), "{status}");
    assert_eq!(stack.totals().await.unwrap(), "103 154.50 154.50");

    assert!(other.stop(Signal::TERM, SOON).await.unwrap().success());
    let again = sink.span("the chunk's second way", SOON, |span| {
        span.name == "process facturas" && span.attributes.get("caudal.deliveries").is_some_and(|count| count == "2")
    });
    let again = again.await.unwrap();
    assert_eq!((again.trace_id.as_str(), again.links.len()), (TRACE, 1));
}

/// It is stopped inside its transaction; others record its chunk and a correction of it; then it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_that_wakes_changes_nothing() {
    let stack = Stack::start().await;
    let (api, stopped) = tokio::join!(stack.api(), stack.worker());
    let first = api.client.post("before", &invoices("before", 3)).await;
    api.client.done(&first, SOON).await;
    let lock = "BEGIN; SELECT rut FROM clients WHERE rut = '22222222-2' FOR UPDATE; SELECT pg_sleep(60)";
    let _blocker = Process::start(&stack.psql(lock), Output::Inherit).unwrap();
    wait::until("the row is locked", SOON, async || waiting(&stack, "PgSleep").await).await.unwrap();
    let mut batch = invoices("stopped", 100);
    let answer = api.client.post("stopped", &batch).await;
    wait::until("the worker waits inside its transaction", SOON, async || waiting(&stack, "transactionid").await)
        .await
        .unwrap();
    stopped.signal(Signal::STOP).unwrap();
    stack.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await.unwrap();

    let other = stack.worker().await;
    let status = api.client.done(&answer, TAKEN_OVER).await;
    batch[0]["monto"] = 100.into();
    let correction = api.client.post("correction", &batch).await;
    api.client.done(&correction, SOON).await;
    assert!(other.stop(Signal::TERM, SOON).await.unwrap().success());
    let totals = stack.totals().await.unwrap();
    assert_eq!(totals, "103 253.00 253.00");

    // What it had in its hands it finishes, in its own view, before it ends.
    stopped.signal(Signal::CONT).unwrap();
    assert!(stopped.stop(Signal::TERM, TAKEN_OVER).await.unwrap().success());
    assert_eq!(stack.totals().await.unwrap(), totals);
    assert_eq!(api.client.status(answer.location.as_deref().unwrap()).await, status);
    let backlog = stack.queue().backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.in_flight_chunks, backlog.dead), (0, 0, 0));
}

/// Ok once some session of the database waits for this event.
async fn waiting(stack: &Stack, event: &str) -> Result<(), String> {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE wait_event = '{event}'");
    match stack.ask(&sql).await?.as_str() {
        "0" => Err(format!("no session waits for {event}")),
        _ => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_a_post_is_accepted_and_recorded_once_it_is_back() {
    let mut stack = Stack::start().await;
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    stack.postgres.stop().await.unwrap();

    let answer = api.client.post("while away", &invoices("away", 100)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let status = api.client.status(answer.location.as_deref().unwrap()).await;
    assert_eq!(status["estado"], "encolado", "{status}");

    stack.postgres.restart().await.unwrap();
    api.client.done(&answer, SOON).await;
    assert_eq!(stack.totals().await.unwrap(), "100 150.00 150.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_post_is_refused_and_its_key_is_accepted_once_afterwards() {
    let mut stack = Stack::start().await;
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    stack.redis.stop().await.unwrap();

    let batch = invoices("again", 10);
    assert_eq!(api.client.post("again", &batch).await.status, StatusCode::SERVICE_UNAVAILABLE);

    stack.redis.restart().await.unwrap();
    let accepted = wait::until("the API has Redis back", SOON, async || {
        let answer = api.client.post("again", &batch).await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE { Err(answer) } else { Ok(answer) }
    });
    let accepted = accepted.await.unwrap();
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    assert_eq!(api.client.post("again", &batch).await.status, StatusCode::CONFLICT);
    api.client.done(&accepted, SOON).await;
    assert_eq!(stack.totals().await.unwrap(), "10 15.00 15.00");
}
