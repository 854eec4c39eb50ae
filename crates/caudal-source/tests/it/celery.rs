//! Celery, the original service's version, with its real workers.

use std::fmt::Debug;
use std::time::Duration;

use caudal_redis::Client;
use caudal_source::{Asker, Celery, Error, Source, Work};
use caudal_testkit::{self as testkit, Process, Redis, Signal, wait};
use serde_json::{Value, json};

use crate::{ask, assert_wrong_type, client, owned, run};

const SOON: Duration = Duration::from_secs(60);

/// A task that runs until it is told to end.
fn endless() -> Value {
    json!({ "args": [[{ "monto": null }]] })
}

/// Where messages of the application wait, and those who work on them.
struct Application {
    celery: testkit::Celery,
    client: Client,
    source: Celery,
    _redis: Redis,
}

impl Application {
    async fn new(settings: Value) -> Self {
        let redis = Redis::start().await.unwrap();
        let celery = testkit::Celery::new(&redis.url(), &settings.to_string()).unwrap();
        let prefix = settings["broker_transport_options"]["global_keyprefix"].as_str().unwrap_or_default();
        let source = Celery {
            queues: owned(&["celery"]),
            priority_steps: vec![0, 3, 6, 9],
            global_key_prefix: prefix.to_owned(),
            acks_late: settings["task_acks_late"] == true,
        };
        Self { celery, client: client(&redis), source, _redis: redis }
    }

    async fn send(&self, tasks: &[Value]) {
        self.celery.send(&Value::from(tasks).to_string()).await.unwrap();
    }

    async fn worker(&self, name: &str, arguments: &[&str]) -> Process {
        self.celery.ready_worker(name, arguments).await.unwrap()
    }

    async fn observe(&self) -> Result<Work, Error> {
        celery(self.source.clone()).observe(&self.client).await
    }

    async fn numbers(&self) -> (u64, u64, u64) {
        let work = self.observe().await.unwrap();
        (work.waiting, work.in_flight, work.busy)
    }

    /// Waits until so many tasks wait, are in flight, and so many workers are busy.
    async fn until(&self, wanted: (u64, u64, u64)) -> Work {
        until("the queue holds what it should", async || {
            let work = self.observe().await.map_err(|error| error.to_string())?;
            let seen = (work.waiting, work.in_flight, work.busy);
            if seen == wanted { Ok(work) } else { Err(format!("{seen:?}")) }
        })
        .await
    }

    /// Tells a task that is endless to end.
    async fn end(&self) {
        run(&self.client, &["RPUSH", "test:end", "1"]).await;
    }

    async fn end_of(&self, worker: &Process) {
        worker.stop(Signal::TERM, SOON).await.unwrap();
    }

    async fn keys(&self) -> Vec<String> {
        ask(&self.client, &["KEYS", "*"]).await
    }
}

fn celery(queues: Celery) -> Source {
    Source::Celery { queues, asker: Asker::new("somebody".to_owned()) }
}

async fn until<T, E: Debug>(what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    wait::until(what, SOON, probe).await.unwrap()
}

#[tokio::test]
async fn tasks_that_wait_are_counted_in_all_queues_and_priorities_below_a_prefix() {
    let mut application = Application::new(json!({ "broker_transport_options": { "global_keyprefix": "p:" } })).await;
    application.source.queues = owned(&["celery", "slow"]);
    let task = |queue: &str, priority: u32| json!({ "args": [[]], "queue": queue, "priority": priority });
    application.send(&[task("celery", 0), task("celery", 4), task("slow", 9), task("other", 0)]).await;
    assert_eq!(application.numbers().await, (3, 0, 0));
    let work = application.observe().await.unwrap();
    assert!(work.workers.unwrap().is_empty(), "nobody is there to be asked");
    application.source.global_key_prefix = String::new();
    assert_eq!(application.numbers().await, (0, 0, 0));
}

#[tokio::test]
async fn running_tasks_are_asked_for_where_they_are_acknowledged_early() {
    let application = Application::new(json!({ "worker_prefetch_multiplier": 1 })).await;
    let first = application.worker("pod-a", &[]).await;
    application.until((0, 0, 0)).await;
    application.send(&[endless()]).await;
    let work = application.until((0, 1, 1)).await;
    assert_eq!(work.workers.unwrap().into_iter().collect::<Vec<_>>(), owned(&["pod-a"]));

    let second = application.worker("pod-b", &[]).await;
    application.send(&[endless(), endless()]).await;
    // One more runs, and one is fetched beforehand or still waits: either way it is there.
    until("both run", async || {
        let work = application.observe().await.map_err(|error| error.to_string())?;
        if (work.total(), work.busy) == (3, 2) { Ok(()) } else { Err(format!("{work:?}")) }
    })
    .await;
    for _ in 0..3 {
        application.end().await;
    }
    application.until((0, 0, 0)).await;
    let keys = application.keys().await;
    assert!(!keys.iter().any(|key| key.contains("somebody") || key.contains("reply")), "nothing is left: {keys:?}");
    application.end_of(&first).await;
    application.end_of(&second).await;
}

#[tokio::test]
async fn a_worker_that_does_not_answer_leaves_unknown_what_runs() {
    let application = Application::new(json!({})).await;
    let worker = application.worker("pod-a", &[]).await;
    application.send(&[endless()]).await;
    application.until((0, 1, 1)).await;

    worker.signal(Signal::STOP).unwrap();
    for _ in 0..2 {
        let error = application.observe().await.unwrap_err();
        assert!(matches!(error, Error::Silent) && error.is_unavailable(), "{error:?}");
    }
    // An answer to an earlier question, in place of the one that is missing: `{"celery@pod-a": []}`.
    let earlier = json!({ "body": "eyJjZWxlcnlAcG9kLWEiOiBbXX0=", "headers": { "ticket": "earlier" } }).to_string();
    let late = until("a late answer comes in", async || {
        match ask(&application.client, &["RPUSHX", "somebody", &earlier]).await {
            0 => Err("nobody has asked"),
            _ => Ok(()),
        }
    });
    run(&application.client, &["DEL", "somebody"]).await;
    let (observed, ()) = tokio::join!(application.observe(), late);
    assert!(matches!(observed, Err(Error::Silent)), "{observed:?}");

    // What it answers now are questions of long ago.
    worker.signal(Signal::CONT).unwrap();
    application.until((0, 1, 1)).await;
    application.end().await;
    application.until((0, 0, 0)).await;
    let keys = application.keys().await;
    assert!(!keys.iter().any(|key| key.contains("somebody")), "nothing is left: {keys:?}");
    application.end_of(&worker).await;
}

#[tokio::test]
async fn a_worker_that_lost_its_connection_is_busy_until_it_listens_again() {
    let application = Application::new(json!({})).await;
    let worker = application.worker("pod-a", &[]).await;
    application.send(&[endless()]).await;
    let source = celery(application.source.clone());
    let observe = async || source.observe(&application.client).await;
    until("the task is seen to run", async || match observe().await {
        Ok(work) if (work.in_flight, work.busy) == (1, 1) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    until("nobody listens", async || {
        run(&application.client, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        let Ok(work) = observe().await else { return Err("it is silent") };
        assert_eq!(work.busy, 1, "it works on: {work:?}");
        if work.in_flight == 0 { Ok(()) } else { Err("it listens already") }
    })
    .await;
    until("it listens again", async || match observe().await {
        Ok(work) if (work.in_flight, work.busy) == (1, 1) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    drop(worker);
}

#[tokio::test]
async fn tasks_that_are_acknowledged_late_are_seen_without_an_answer_and_who_is_silent_is_busy() {
    let application = Application::new(json!({ "task_acks_late": true, "worker_prefetch_multiplier": 1 })).await;
    // While it works, a worker of this pool does nothing else.
    let worker = application.worker("pod-a", &["--pool=solo"]).await;
    application.send(&[endless()]).await;
    application.until((0, 1, 1)).await;
    application.end().await;
    application.until((0, 0, 0)).await;
    application.end_of(&worker).await;
}

#[tokio::test]
async fn a_running_task_is_counted_once_whenever_it_is_acknowledged() {
    let application = Application::new(json!({ "task_acks_late": true, "worker_prefetch_multiplier": 1 })).await;
    let worker = application.worker("pod-a", &[]).await;
    application.send(&[endless()]).await;
    let work = application.until((0, 1, 1)).await;
    assert_eq!(work.workers.unwrap().into_iter().collect::<Vec<_>>(), owned(&["pod-a"]));
    let told_otherwise = Celery { acks_late: false, ..application.source.clone() };
    let work = until("all answer", async || celery(told_otherwise.clone()).observe(&application.client).await).await;
    assert_eq!((work.waiting, work.in_flight, work.busy), (0, 1, 1));
    application.end().await;
    application.until((0, 0, 0)).await;
    application.end_of(&worker).await;
}

#[tokio::test]
async fn a_task_for_later_is_in_flight_while_a_worker_keeps_it_and_waits_when_that_is_gone() {
    let application = Application::new(json!({})).await;
    let worker = application.worker("pod-a", &[]).await;
    application.send(&[json!({ "args": [[]], "countdown": 3_600 })]).await;
    application.until((0, 1, 0)).await;
    application.end_of(&worker).await;
    application.until((1, 0, 0)).await;
}

#[tokio::test]
async fn what_workers_do_for_other_queues_does_not_count() {
    let application = Application::new(json!({ "worker_prefetch_multiplier": 2 })).await;
    let worker = application.worker("pod-a", &["--queues=other"]).await;
    let other = json!({ "args": [[{ "monto": null }]], "queue": "other" });
    application.send(&[other.clone(), other]).await;
    let others = Celery { queues: owned(&["other"]), ..application.source.clone() };
    until("the other queue's tasks run or are fetched", async || {
        let work = celery(others.clone()).observe(&application.client).await.map_err(|e| e.to_string())?;
        if (work.in_flight, work.busy) == (2, 1) { Ok(()) } else { Err(format!("{work:?}")) }
    })
    .await;
    let work = until("all answer", async || application.observe().await).await;
    assert_eq!((work.waiting, work.in_flight, work.busy), (0, 0, 0));
    application.end().await;
    application.end().await;
    application.end_of(&worker).await;
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_it() {
    let application = Application::new(json!({})).await;
    let source = celery(application.source.clone());
    run(&application.client, &["SET", "unacked", "1"]).await;
    assert_wrong_type(&source, &application.client, "the key unacked is a string, not a hash").await;
    run(&application.client, &["SET", "celery", "1"]).await;
    assert_wrong_type(&source, &application.client, "the key celery is a string, not a list").await;
}
