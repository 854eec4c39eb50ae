//! The leader is killed or stopped at any moment: the other one decides soon, and nobody writes twice.

use std::time::{Duration, Instant};

use caudal_queue::{Batch, Chunk, Queue, Settlement};
use caudal_testkit::{Output, Process, Redis, Signal, wait};
use fastrand::Rng;
use serde_json::json;
use tokio::time::sleep;
use uuid::Uuid;

use super::cluster::{Cluster, Sights};
use crate::long::setting;
use crate::stack::{free_address, kill, ready};

/// How soon somebody decides after the leader's death: the long form holds to what is promised, the short one runs beside others.
const PROMISED: Duration = Duration::from_secs(5);
const SHORT: u64 = 4;
const START: Duration = Duration::from_secs(60);
/// What a leader that goes on takes to see that something is wrong, and to mend it.
const CORRECTED: Duration = Duration::from_millis(2_500);
const NAME: &str = "worker";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_or_stopped_somebody_decides_and_nobody_writes_twice() {
    let rounds = setting("LEADER_ROUNDS", SHORT);
    let seed = setting("SOAK_SEED", 1);
    eprintln!("seed {seed}, {rounds} rounds");
    let mut random = Rng::with_seed(seed);
    let mut site = Site::start().await;
    for round in 0..rounds {
        let moment = Duration::from_millis(random.u64(0..60));
        let told = match round % 4 {
            0 => site.kill(moment, Duration::ZERO).await,
            1 => site.kill(Duration::ZERO, Duration::from_millis(random.u64(0..2_000))).await,
            2 => site.stop_long(moment).await,
            _ => site.stop(moment, Duration::from_millis(random.u64(100..2_500))).await,
        };
        eprintln!("round {round}: {told}");
        let took = site.decided.last().copied().unwrap_or_default();
        assert!(rounds == SHORT || took < PROMISED, "seed {seed}, round {round}: decided after {took:?}");
    }
    site.decided.sort();
    eprintln!("next decision after a death: {:?}; {} stale writes", site.decided, site.stale);
}

struct Site {
    cluster: Cluster,
    _redis: Redis,
    queue: Queue,
    sights: Sights,
    controllers: Vec<(String, Process)>,
    /// From each death to the next decision.
    decided: Vec<Duration>,
    /// Writes of a leader that had been stopped, and was none any more.
    stale: usize,
}

impl Site {
    async fn start() -> Self {
        let redis = Redis::start().await.unwrap();
        let cluster = Cluster::start().await.unwrap();
        cluster.scaled(NAME, &json!({ "caudal": { "redis": { "url": redis.url() } } })).await.unwrap();
        let client = caudal_redis::Client::new(&caudal_redis::Options { redis_url: redis.url().into() }).unwrap();
        let queue = Queue::new(&client, &caudal_queue::Options { queue: "facturas".parse().unwrap() });
        let sights = cluster.watch();
        let (controllers, decided) = (Vec::new(), Vec::new());
        let mut site = Self { cluster, _redis: redis, queue, sights, controllers, decided, stale: 0 };
        site.join("first").await;
        site.join("second").await;
        site.cluster.looked_after(1).await.unwrap();
        site
    }

    async fn join(&mut self, pod: &str) {
        let ops = free_address();
        let process = Process::start(&self.cluster.controller(pod, &ops), Output::File("/dev/null".into())).unwrap();
        process.ready(START, async || ready(&ops).await).await.unwrap();
        self.controllers.push((pod.to_owned(), process));
    }

    /// Where the leader is among the controllers.
    async fn leader(&self) -> usize {
        let leads = async || {
            let leader = self.cluster.leader().await.map_err(|error| error.to_string())?;
            let found = self.controllers.iter().position(|(pod, _)| Some(pod) == leader.as_ref());
            found.ok_or_else(|| format!("{leader:?} leads"))
        };
        wait::until("somebody leads", START, leads).await.unwrap()
    }

    async fn until(&mut self, replicas: u32) -> Instant {
        self.sights.until(NAME, |sight| sight.replicas == replicas).await.unwrap().at
    }

    fn writes(&self) -> i64 {
        self.sights.all(NAME).last().unwrap().generation
    }

    /// Work comes, the leader dies so long `after` it, or so long `before`.
    async fn kill(&mut self, after: Duration, before: Duration) -> String {
        let known = self.sights.all(NAME).len();
        let leader = self.leader().await;
        let (pod, process) = self.controllers.swap_remove(leader);
        let died = if before.is_zero() {
            self.enqueue().await;
            sleep(after).await;
            kill(process).await;
            Instant::now()
        } else {
            kill(process).await;
            let died = Instant::now();
            sleep(before).await;
            self.enqueue().await;
            died
        };
        let took = self.until(20).await.saturating_duration_since(died);
        self.decided.push(took);
        self.drain().await;
        self.until(0).await;
        self.join(&pod).await;
        // The way down may lead over the last worker, who stays while there is news.
        let seen = self.sights.all(NAME).split_off(known - 1);
        let ups = seen.windows(2).filter(|pair| pair[0].replicas < pair[1].replicas).count();
        assert!(ups == 1 && seen.len() <= 4, "once up, then down: {seen:?}");
        format!("killed {pod} {after:?} after the work or {before:?} before it, decided {took:?} later")
    }

    /// Work comes, the leader is stopped, the other one takes over, the work is done, and the leader goes on.
    async fn stop_long(&mut self, after: Duration) -> String {
        let leader = self.leader().await;
        self.enqueue().await;
        sleep(after).await;
        let process = &self.controllers[leader].1;
        process.signal(Signal::STOP).unwrap();
        let stopped = Instant::now();
        let took = self.until(20).await.saturating_duration_since(stopped);
        self.decided.push(took);
        self.drain().await;
        self.until(0).await;
        let before = self.sights.all(NAME).len();
        self.controllers[leader].1.signal(Signal::CONT).unwrap();
        sleep(CORRECTED).await;
        let since = self.sights.all(NAME).split_off(before);
        let stale = since.iter().filter(|sight| sight.replicas != 0).count();
        assert!(stale <= 1 && since.last().is_none_or(|last| last.replicas == 0), "went on and wrote {since:?}");
        self.stale += stale;
        let pod = &self.controllers[leader].0;
        format!("stopped {pod} {after:?} after the work, decided {took:?} later, {stale} stale writes when it went on")
    }

    /// Work comes, and the leader is stopped for a time after which it may lead or not.
    async fn stop(&mut self, after: Duration, length: Duration) -> String {
        let writes = self.writes();
        let leader = self.leader().await;
        self.enqueue().await;
        sleep(after).await;
        self.controllers[leader].1.signal(Signal::STOP).unwrap();
        sleep(length).await;
        self.controllers[leader].1.signal(Signal::CONT).unwrap();
        self.until(20).await;
        self.drain().await;
        self.until(0).await;
        sleep(CORRECTED).await;
        let seen = self.sights.all(NAME);
        let more = self.writes() - writes - 2;
        assert!((0..=3).contains(&more) && seen.last().unwrap().replicas == 0, "{seen:?}");
        format!("stopped {} for {length:?}, {more} writes too many", self.controllers[leader].0)
    }

    /// Puts work for 20 into the queue, in one piece.
    async fn enqueue(&self) {
        let id = Uuid::new_v4();
        let mut key = [0; 32];
        key[..16].copy_from_slice(id.as_bytes());
        let chunks = vec![Chunk { payload: b"[]".to_vec(), count: 100 }];
        let batch = Batch { id, key, fingerprint: [0; 32], chunks, traceparent: None, caller: String::new() };
        self.queue.admit(&batch, 1_000_000).await.unwrap();
    }

    async fn drain(&self) {
        let mut worker = self.queue.consumer("worker/1");
        while self.queue.backlog().await.unwrap().invoices > 0 {
            for lease in worker.lease(10, Duration::from_millis(100)).await.unwrap() {
                let settlement = Settlement { recorded: lease.count, ..Settlement::default() };
                self.queue.settle(&[(&lease, &settlement)]).await.unwrap();
            }
        }
    }
}
