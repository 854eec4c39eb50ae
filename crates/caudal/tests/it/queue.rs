//! `caudal queue`: what an operator sees and does.

use std::time::Duration;

use caudal_testkit::{Output, Process, Signal, wait};

use crate::cli::{Scratch, caudal};
use crate::client::invoices;
use crate::stack::Stack;

const SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn show_tells_what_waits_who_works_and_how_redis_is() {
    let stack = Stack::start().await;
    let fresh = caudal(&stack, &["queue", "show", "--json"]).await;
    assert!(fresh.success, "{}", fresh.stderr);
    assert_eq!((&fresh.json()["backlog"], &fresh.json()["oldest_seconds"]), (&0.into(), &().into()));

    let api = stack.api().await;
    api.client.post("shown", &invoices("shown", 300)).await;
    let shown = caudal(&stack, &["queue", "show"]).await.stdout;
    for line in [
        "queue            facturas",
        "backlog          300 invoices",
        "  waiting        2 chunks",
        "dead             0 letters",
        "workers          0",
        "append-only file, synced always",
        "warning: chunks wait and no worker is alive",
        "warning: Redis has no memory limit (maxmemory): it can take the whole machine",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }

    let _worker = stack.worker().await;
    let json = wait::until("all is recorded", SOON, async || {
        let json = caudal(&stack, &["queue", "show", "--json"]).await.json();
        if json["backlog"] == 0 { Ok(json) } else { Err(json) }
    });
    let json = json.await.unwrap();
    assert_eq!(json["workers"].as_array().unwrap().len(), 1, "{json}");
    assert!(json["workers"][0]["silent_seconds"].as_f64().unwrap() < 5.0, "{json}");
    assert_eq!((&json["redis"]["fsync"], &json["redis"]["append_only"]), (&"always".into(), &true.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_takes_invoices_in_and_hands_none_out() {
    let stack = Stack::start().await;
    let paused = caudal(&stack, &["queue", "pause"]).await;
    assert_eq!(paused.stdout, "facturas is paused: workers finish what they hold, POSTs are still accepted\n");

    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let answer = api.client.post("paused", &invoices("paused", 10)).await;
    let shown = caudal(&stack, &["queue", "show", "--json"]).await.json();
    assert_eq!((&shown["paused"], &shown["backlog"]), (&true.into(), &10.into()));
    assert_eq!(stack.totals().await.unwrap(), "0 0.00 0.00");

    assert_eq!(caudal(&stack, &["queue", "resume"]).await.stdout, "facturas goes on\n");
    api.client.done(&answer, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_fails_until_a_wrong_number_is_repaired() {
    let stack = Stack::start().await;
    let api = stack.api().await;
    api.client.post("checked", &invoices("checked", 10)).await;
    let right = caudal(&stack, &["queue", "check"]).await;
    assert_eq!((right.success, right.stdout.as_str()), (true, "the backlog says 10 invoices, counted are 10\n"));

    redis(&stack, &["incrby", "caudal:{facturas}:backlog", "7"]).await;
    let wrong = caudal(&stack, &["queue", "check"]).await;
    assert!(!wrong.success);
    assert_eq!(wrong.stderr, "caudal: the backlog says 17 invoices, counted are 10: --repair puts it right\n");
    let json = caudal(&stack, &["queue", "check", "--json"]).await;
    assert!(!json.success && json.json()["repaired"] == false, "{}", json.stdout);

    let repaired = caudal(&stack, &["queue", "check", "--repair"]).await;
    assert_eq!(
        (repaired.success, repaired.stdout.as_str()),
        (true, "the backlog says 17 invoices, counted are 10: put right\n")
    );
    assert!(caudal(&stack, &["queue", "check"]).await.success);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_writes_a_line_each_second_until_it_is_stopped_and_tells_an_outage() {
    let mut stack = Stack::start().await;
    let api = stack.api().await;
    api.client.post("watched", &invoices("watched", 10)).await;
    let log = Scratch::new("watch.log", "");
    let watch = Process::start(&stack.command(&["queue", "watch"]), Output::File(log.path().into())).unwrap();
    let lines = async |holding: &str, count: usize| {
        wait::until(holding, SOON, async || {
            let log = watch.log();
            if log.lines().filter(|line| line.contains(holding)).count() >= count { Ok(()) } else { Err(log) }
        })
        .await
        .unwrap();
    };
    lines("backlog 10 ", 2).await;
    stack.redis.stop().await.unwrap();
    lines("Redis cannot be reached", 1).await;
    stack.redis.restart().await.unwrap();
    lines("backlog 10 ", 4).await;
    assert!(watch.stop(Signal::INT, SOON).await.unwrap().success(), "{}", watch.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_command_fails_in_one_line() {
    let mut stack = Stack::start().await;
    stack.redis.stop().await.unwrap();
    for command in [
        &["queue", "show"][..],
        &["queue", "pause"],
        &["queue", "check"],
        &["dead", "list"],
        &["dead", "retry", "--all"],
    ] {
        let told = caudal(&stack, command).await;
        assert!(!told.success);
        let expected = told.stderr.starts_with("caudal: Redis cannot be reached") && told.stderr.lines().count() == 1;
        assert!(expected, "{command:?} {}", told.stderr);
    }
}

/// Asks Redis and returns its answer.
pub(crate) async fn redis(stack: &Stack, arguments: &[&str]) -> String {
    let port = stack.redis.port().to_string();
    let mut command = tokio::process::Command::new("redis-cli");
    let asked = command.args(["-p", &port]).args(arguments).output().await.unwrap();
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}
