//! Queues of Celery's, with its own workers.

use std::collections::BTreeMap;
use std::time::Duration;

use caudal_testkit::{Celery, Process, Redis, Signal, wait};
use kube::api::DeleteParams;
use serde_json::json;

use crate::pods::{costs, pod, pods};
use crate::sources::by;
use crate::world::World;

/// How long what Celery does may take: its workers take seconds to start.
const SOON: Duration = Duration::from_secs(120);

/// In place of a kubelet: a process of Celery for each replica, with a pod of its name. Of too many those end that cost least.
struct Workers<'a> {
    world: &'a World,
    celery: Celery,
    running: BTreeMap<String, Process>,
    ending: Vec<Process>,
    begun: usize,
}

impl Workers<'_> {
    async fn follow(&mut self) {
        let wanted = self.world.replicas("worker").await as usize;
        while self.running.len() < wanted {
            self.begun += 1;
            let name = format!("worker-{}", self.begun);
            pod(self.world, &name, json!({})).await;
            self.running.insert(name.clone(), self.celery.worker(&name, &[]).unwrap());
        }
        while self.running.len() > wanted {
            let costs = costs(self.world).await;
            let spared = |name: &&String| costs.contains_key(*name);
            let name = self.running.keys().min_by_key(spared).unwrap().clone();
            let worker = self.running.remove(&name).unwrap();
            worker.signal(Signal::TERM).unwrap();
            self.ending.push(worker);
            pods(self.world).delete(&name, &DeleteParams::default().grace_period(0)).await.unwrap();
        }
        self.ending.retain(|worker| worker.exited().is_none());
    }

    async fn until(&mut self, what: &str, mut probe: impl AsyncFnMut(&Self) -> bool) {
        let seen = wait::until(what, SOON, async || {
            self.follow().await;
            if probe(self).await { Ok(()) } else { Err((self.running.len(), self.ending.len())) }
        });
        seen.await.unwrap();
    }
}

/// The ids in a list that the tasks write, sorted.
async fn notes(client: &caudal_redis::Client, list: &str) -> Vec<String> {
    let mut ids: Vec<String> =
        redis::cmd("LRANGE").arg(list).arg(0).arg(-1).query_async(&mut client.shared()).await.unwrap();
    ids.sort();
    ids
}

#[tokio::test]
async fn workers_of_celery_are_scaled_from_none_to_many_and_back_and_no_task_is_cut() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let client = caudal_redis::Client::new(&caudal_redis::Options { redis_url: redis.url().into() }).unwrap();
    let celery = Celery::new(&redis.url(), "{}").unwrap();
    world.deployment("worker", 0).await;
    let mut spec = by(json!({ "celery": { "redis": { "url": redis.url() } } }));
    spec["target"] = json!({ "backlogPerReplica": 4 });
    spec["maxReplicas"] = json!(3);
    world.scaler("x", spec).await;
    let controller = world.controller("caudal");
    let mut workers = Workers { world: &world, celery, running: BTreeMap::new(), ending: Vec::new(), begun: 0 };

    let task = json!({ "args": [[{ "monto": 1 }, { "monto": 2 }]] });
    let mut sent = workers.celery.send(&json!(vec![task; 12]).to_string()).await.unwrap();
    sent.sort();
    workers.until("three workers run", async |workers| workers.running.len() == 3).await;
    workers.until("all tasks are done", async |_| notes(&client, "test:finished").await.len() == sent.len()).await;
    let ended = async |workers: &Workers<'_>| workers.running.is_empty() && workers.ending.is_empty();
    workers.until("all workers have ended", ended).await;
    assert_eq!(notes(&client, "test:began").await, sent, "none was begun twice");
    assert_eq!(notes(&client, "test:finished").await, sent, "each was finished");
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}

#[tokio::test]
async fn while_a_worker_of_celery_is_silent_nobody_is_taken_away_and_the_reason_is_told() {
    let world = World::new().await;
    let redis = Redis::start().await.unwrap();
    let celery = Celery::new(&redis.url(), "{}").unwrap();
    let worker = celery.ready_worker("worker-1", &[]).await.unwrap();
    worker.signal(Signal::STOP).unwrap();
    world.deployment("worker", 3).await;
    let mut spec = by(json!({ "celery": { "redis": { "url": redis.url() } } }));
    spec["fallback"] = json!({ "afterSeconds": 4, "replicas": 4 });
    world.scaler("x", spec).await;
    let controller = world.controller("caudal");

    let (reason, message) = world.until_condition("x", "Ready", "False").await;
    assert_eq!(reason, "SourceUnavailable");
    assert!(message.starts_with("some Celery workers do not answer, so what they run is not known: "), "{message}");
    world.until_replicas("worker", 4).await;
    worker.signal(Signal::CONT).unwrap();
    world.until_condition("x", "Ready", "True").await;
    world.until_replicas("worker", 0).await;
    controller.stop().await;
}
