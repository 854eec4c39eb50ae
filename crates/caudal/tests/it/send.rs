//! `caudal send`: a file goes in once, however often and against whatever odds it is sent.

use std::fmt::Write as _;
use std::future::IntoFuture;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use caudal_testkit::{Output, Process, wait};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cli::{Scratch, Told, told};
use crate::stack::{Api, Stack};

const SOON: Duration = Duration::from_secs(30);

/// The summary, with `--json` the last line.
fn summary(told: &Told) -> Value {
    told.json()["summary"].take()
}

fn command(stack: &Stack, url: &str, file: &str, more: &[&str]) -> Command {
    let mut command = stack.command(&["send", file, "--url", url]);
    command.args(more);
    command
}

async fn send(stack: &Stack, api: &Api, file: &str, more: &[&str]) -> Told {
    told(command(stack, &api.url, file, more)).await
}

/// CSV of this many invoices of one peso and fifty cents.
fn csv(count: u32) -> String {
    let mut text = "numero_factura,rut_cliente,monto,fecha_emision\n".to_owned();
    (1..=count).for_each(|number| writeln!(text, "F-{number},11111111-1,1.50,2025-08-24").unwrap());
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_recorded_once_however_often_it_is_sent() {
    let stack = Stack::start().await;
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let file = Scratch::new("often.csv", &csv(1_234));

    let first = send(&stack, &api, file.path(), &["--batch", "100", "--wait"]).await;
    assert!(first.success, "{}", first.stderr);
    assert!(
        first.stdout.contains("1,234 invoices accepted, 0 refused\n1,234 recorded, 0 unchanged, 0 rejected"),
        "{}",
        first.stdout
    );
    let again = send(&stack, &api, file.path(), &["--batch", "100", "--json", "--wait"]).await;
    assert!(again.success, "{}", again.stderr);
    let summary = summary(&again);
    assert_eq!((&summary["accepted"], &summary["accepted_earlier"]), (&1_234.into(), &1_234.into()), "{summary}");
    assert_eq!(summary["recorded"], 1_234, "{summary}");
    assert_eq!(stack.totals().await.unwrap(), "1234 1851.00 1851.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_invoices_are_told_by_their_line_and_the_rest_is_sent() {
    let stack = Stack::start().await;
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let text =
        csv(4).replace("F-2,11111111-1,1.50", "F-2,11111111-1,mucho").replace("F-4,11111111-1,1.50", "F-4,11111111-1");
    let file = Scratch::new("wrong.csv", &text);

    let sent = send(&stack, &api, file.path(), &["--wait"]).await;
    assert!(!sent.success);
    let name = file.path();
    let told: Vec<_> = sent.stderr.lines().collect();
    assert_eq!(
        told,
        [
            &format!(
                "{name} line 3: monto: Input should be a valid number, unable to parse string as a number, given \"mucho\""
            ),
            &format!("{name} line 5: it has 3 fields, the header row 4"),
            "caudal: 2 invoices were refused: mend and send the file again",
        ]
    );
    assert_eq!(sent.stdout, format!("{name}: 2 invoices accepted, 2 refused\n2 recorded, 0 unchanged, 0 rejected\n"));

    let again = send(&stack, &api, file.path(), &["--json"]).await;
    let refused: Value = serde_json::from_str(again.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&refused["refused"]["line"], &refused["refused"]["reasons"][0]["field"]), (&3.into(), &"monto".into()));
    assert_eq!(summary(&again)["accepted_earlier"], 2);
    assert_eq!(stack.totals().await.unwrap(), "2 3.00 3.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_invoice_is_told_by_its_place_in_the_list() {
    let stack = Stack::start().await;
    stack.ask("ALTER TABLE invoices ADD CHECK (number <> 'F-3')").await.unwrap();
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let invoice = |number| {
        format!(
            r#"{{"numero_factura": "F-{number}", "rut_cliente": "11111111-1", "monto": 1.5, "fecha_emision": "2025-08-24"}}"#
        )
    };
    let file = Scratch::new("rejected.json", &format!("[{}]", (1..=4).map(invoice).collect::<Vec<_>>().join(",\n")));

    let sent = send(&stack, &api, file.path(), &["--wait", "--json", "--batch", "2"]).await;
    assert!(!sent.success);
    let rejected: Value = serde_json::from_str(sent.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(rejected["rejected"]["element"], 3, "{}", sent.stdout);
    assert_eq!((&summary(&sent)["recorded"], &summary(&sent)["rejected"]), (&3.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_versions_in_a_file_the_later_line_stands() {
    let stack = Stack::start().await;
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let mut text = csv(0);
    (1..=200).for_each(|amount| writeln!(text, "F-{},11111111-1,{amount},2025-08-24", amount % 3).unwrap());
    let file = Scratch::new("versions.csv", &text);

    let sent = send(&stack, &api, file.path(), &["--batch", "1", "--concurrency", "16", "--wait"]).await;
    assert!(sent.success, "{}", sent.stderr);
    // 198, 199 and 200 are the last three.
    assert_eq!(stack.totals().await.unwrap(), "3 597.00 597.00");
}

/// The most requests that an API had before it at once while this file was sent. It answers once so many have come as may.
async fn most_at_once(file: &Scratch, may: usize) -> usize {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
    let counted = most.clone();
    let slow = async move || {
        let at_once = now.fetch_add(1, Ordering::SeqCst) + 1;
        counted.send_modify(|most| *most = at_once.max(*most));
        let _ = timeout(SOON, counted.subscribe().wait_for(|most| *most >= may)).await;
        // For one that may not.
        tokio::time::sleep(Duration::from_millis(200)).await;
        now.fetch_sub(1, Ordering::SeqCst);
        reqwest::StatusCode::ACCEPTED
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let api = axum::serve(listener, axum::Router::new().route("/facturas/", axum::routing::post(slow)));
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    command.args(["send", file.path(), "--url", &url, "--batch", "1", "--concurrency", "3"]);
    let sent = tokio::select! {
        sent = told(command) => sent,
        _ = api.into_future() => panic!("the API ended"),
    };
    assert!(sent.success, "{}", sent.stderr);
    *most.borrow()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_one_invoice_go_one_after_the_other_and_others_together() {
    let others = Scratch::new("together.csv", &csv(6));
    assert_eq!(most_at_once(&others, 3).await, 3);
    let mut text = csv(0);
    for (amount, rut) in (1..).zip(["11111111-1", "11.111.111-1", "011111111-1"]) {
        writeln!(text, "F-1,{rut},{amount},2025-08-24").unwrap();
    }
    let same = Scratch::new("alone.csv", &text);
    assert_eq!(most_at_once(&same, 1).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_and_an_outage_are_waited_out() {
    let mut stack = Stack::start().await;
    stack.environment.push(("CAUDAL_MAX_BACKLOG".to_owned(), "50".to_owned()));
    let api = stack.api().await;
    let file = Scratch::new("full.csv", &csv(100));
    let process =
        Process::start(&command(&stack, &api.url, file.path(), &["--batch", "25", "--wait"]), Output::Inherit).unwrap();
    wait::until("the queue is full", SOON, async || backlog(&stack).await.filter(|waiting| waiting == "50").ok_or(()))
        .await
        .unwrap();
    stack.redis.stop().await.unwrap();
    stack.redis.restart().await.unwrap();
    assert!(process.exited().is_none(), "it waits");

    let _worker = stack.worker().await;
    let ended = timeout(SOON, process.wait()).await.unwrap().unwrap();
    assert!(ended.success());
    assert_eq!(stack.totals().await.unwrap(), "100 150.00 150.00");
}

async fn backlog(stack: &Stack) -> Option<String> {
    let port = stack.redis.port().to_string();
    let asked =
        tokio::process::Command::new("redis-cli").args(["-p", &port, "get", "caudal:{facturas}:backlog"]).output();
    Some(String::from_utf8(asked.await.ok()?.stdout).ok()?.trim().to_owned())
}

#[tokio::test]
async fn patience_ends_with_one_line_that_says_why_and_how_to_go_on() {
    let file = Scratch::new("patience.csv", &csv(1));
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    command.args(["send", file.path(), "--url", "http://127.0.0.1:9", "--patience", "0"]);
    let sent = told(command).await;
    assert!(!sent.success);
    let reason = "the API cannot be reached: Connection refused (os error 111)";
    let end = format!(
        "waiting: {reason}\ncaudal: nothing went forward for 0 s (--patience): {reason}; not everything was sent: run the same command \
        again to go on, what was accepted is not taken twice\n"
    );
    assert_eq!(sent.stderr, end);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_says_how_to_go_on_and_the_next_one_does() {
    let mut stack = Stack::start().await;
    stack.environment.push(("CAUDAL_MAX_BACKLOG".to_owned(), "50".to_owned()));
    let api = stack.api().await;
    let file = Scratch::new("interrupted.csv", &csv(100));
    let log = Scratch::new("interrupted.log", "");
    let process =
        Process::start(&command(&stack, &api.url, file.path(), &["--batch", "25"]), Output::File(log.path().into()))
            .unwrap();
    wait::until("the queue is full", SOON, async || backlog(&stack).await.filter(|waiting| waiting == "50").ok_or(()))
        .await
        .unwrap();
    let ended = process.stop(caudal_testkit::Signal::INT, SOON).await.unwrap();
    assert!(!ended.success());
    let told = process.log();
    assert!(
        told.ends_with("caudal: stopped: run the same command again to go on, what was accepted is not taken twice\n"),
        "{told}"
    );

    let _worker = stack.worker().await;
    let sent = send(&stack, &api, file.path(), &["--batch", "25", "--json", "--wait"]).await;
    assert_eq!(summary(&sent)["accepted_earlier"], 50, "{}", sent.stdout);
    assert_eq!(stack.totals().await.unwrap(), "100 150.00 150.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_another_runs_name_what_was_accepted_is_taken_once_more() {
    let stack = Stack::start().await;
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let file = Scratch::new("run.csv", &csv(3));
    assert!(send(&stack, &api, file.path(), &["--wait"]).await.success);
    stack.ask("TRUNCATE invoices, clients").await.unwrap();

    for earlier in [0, 3] {
        let sent = send(&stack, &api, file.path(), &["--run", "restored", "--json", "--wait"]).await;
        assert!(sent.success, "{}", sent.stderr);
        assert_eq!(summary(&sent)["accepted_earlier"], earlier);
        assert_eq!(stack.totals().await.unwrap(), "3 4.50 4.50");
    }
}
