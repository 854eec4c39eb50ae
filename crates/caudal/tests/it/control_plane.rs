//! `caudal controller` as a cluster meets it: real processes on a real control plane.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use caudal_controller::crd::{QueueScaler, crd};
use caudal_queue::{Batch, Chunk, Queue, Settlement};
use caudal_testkit::{ControlPlane, OtlpSink, Output, Process, Redis, Signal, Span, pki::Authority, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use uuid::Uuid;

use crate::stack::{free_address, kill, ready};
use crate::trace::{TRACE, traceparent};

const SOON: Duration = Duration::from_secs(30);

/// A control plane with the Deployment `worker` and the scaler `x` of it, which follows the queue.
struct World {
    plane: ControlPlane,
    redis: Redis,
    queue: Queue,
    client: Client,
}

/// A running controller.
struct Controller {
    process: Process,
    ops: String,
}

impl World {
    async fn new() -> Self {
        let (plane, redis) = tokio::join!(ControlPlane::start(), Redis::start());
        let (plane, redis) = (plane.unwrap(), redis.unwrap());
        let file = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let options = caudal_redis::Options { redis_url: redis.url().into() };
        let server = caudal_redis::Client::new(&options).unwrap();
        let queue = Queue::new(&server, &caudal_queue::Options { queue: "facturas".parse().unwrap() });
        let world = Self { plane, redis, queue, client };
        world.furnish().await;
        world
    }

    async fn furnish(&self) {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        definitions.create(&PostParams::default(), &crd()).await.unwrap();
        let served = async || self.scalers().list(&ListParams::default()).await.map(drop);
        wait::until("QueueScalers are served", SOON, served).await.unwrap();
        let worker = json!({
            "metadata": { "name": "worker" },
            "spec": {
                "replicas": 0,
                "selector": { "matchLabels": { "app": "worker" } },
                "template": {
                    "metadata": { "labels": { "app": "worker" } },
                    "spec": { "containers": [{ "name": "worker", "image": "worker" }] },
                },
            },
        });
        self.deployments().create(&PostParams::default(), &serde_json::from_value(worker).unwrap()).await.unwrap();
        let scaler = json!({
            "metadata": { "name": "x" },
            "spec": {
                "scaleTargetRef": { "name": "worker" },
                "maxReplicas": 20,
                "source": { "caudal": { "redis": { "url": self.redis.url() } } },
                "target": { "backlogPerReplica": 5 },
                "scaleDown": { "stabilizationSeconds": 1, "stepPercent": 100 },
                "cooldownSeconds": 1,
            },
        });
        self.scalers().create(&PostParams::default(), &serde_json::from_value(scaler).unwrap()).await.unwrap();
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::default_namespaced(self.client.clone())
    }

    fn scalers(&self) -> Api<QueueScaler> {
        Api::default_namespaced(self.client.clone())
    }

    async fn controller(&self, pod: &str, environment: &[(&str, &str)]) -> Controller {
        let ops = free_address();
        let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
        command.args(["controller", "--pod", pod, "--ops-listen", &ops]).env("KUBECONFIG", self.plane.kubeconfig());
        command.envs(environment.iter().copied());
        let process = Process::start(&command, Output::Inherit).unwrap();
        process.ready(SOON, async || ready(&ops).await).await.unwrap();
        Controller { process, ops }
    }

    /// Replicas asked for, and how often the Deployment was changed.
    async fn seen(&self) -> (i32, i64) {
        let worker = self.deployments().get("worker").await.unwrap();
        (worker.spec.unwrap().replicas.unwrap(), worker.metadata.generation.unwrap())
    }

    async fn until_replicas(&self, wanted: i32) -> i64 {
        wait::until(&format!("{wanted} replicas"), SOON, async || match self.seen().await {
            (replicas, generation) if replicas == wanted => Ok(generation),
            other => Err(other),
        })
        .await
        .unwrap()
    }

    /// The pod that leads, once it is not this one.
    async fn until_leader_is_not(&self, pod: &str) -> String {
        let leases: Api<Lease> = Api::default_namespaced(self.client.clone());
        wait::until("another leads", SOON, async || {
            let lease = leases.get_opt("caudal").await.unwrap();
            let holder = lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default();
            let leader = holder.split('_').next().unwrap_or_default().to_owned();
            if leader.is_empty() || leader == pod { Err(leader) } else { Ok(leader) }
        })
        .await
        .unwrap()
    }

    async fn enqueue(&self, invoices: u32) {
        let id = Uuid::new_v4();
        let mut key = [0; 32];
        key[..16].copy_from_slice(id.as_bytes());
        let chunks = (0..invoices).map(|_| Chunk { payload: b"[]".to_vec(), count: 1 }).collect();
        let traceparent = Some(traceparent());
        let batch = Batch { id, key, fingerprint: [0; 32], chunks, traceparent, caller: String::new() };
        self.queue.admit(&batch, 1_000_000).await.unwrap();
    }

    async fn drain(&self) {
        let mut consumer = self.queue.consumer(&format!("test/{}", Uuid::new_v4()));
        while self.queue.backlog().await.unwrap().invoices > 0 {
            for lease in consumer.lease(100, Duration::from_millis(10)).await.unwrap() {
                let settlement = Settlement { recorded: lease.count, ..Settlement::default() };
                self.queue.settle(&[(&lease, &settlement)]).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posts_trace_is_linked_to_the_scaling_it_began_and_an_idle_look_tells_nothing() {
    let (world, sink) = (World::new().await, OtlpSink::start().await.unwrap());
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let controller = world.controller("a", &environment).await;
    until_condition(&world, "Active", "False", |_| true).await;
    world.enqueue(100).await;
    world.until_replicas(20).await;

    let linked = |span: &Span| span.name == "scale" && span.links.iter().any(|(trace, _)| trace == TRACE);
    let scale = sink.span("the scaling", SOON, linked).await.unwrap();
    assert_eq!(scale.service, "caudal-controller");
    assert_eq!(scale.attributes["caudal.target"], "Deployment/worker");
    let parts = sink.trace(&scale.trace_id, 4, SOON).await.unwrap();
    let part = |name: &str| {
        let part = parts.iter().find(|span| span.name == name).unwrap();
        assert_eq!(part.parent_id.as_ref(), Some(&scale.span_id));
        assert!(scale.start <= part.start && part.start <= part.end && part.end <= scale.end, "{parts:?}");
        part.attributes.clone()
    };
    assert_eq!(part("observe")["caudal.backlog"], "100");
    let plan = part("plan");
    assert_eq!((&*plan["caudal.planned"], &*plan["caudal.authority"]), ("20", "Plan"));
    assert_eq!(plan["caudal.reason"], "a backlog of 100 at 5 per replica needs 20");
    let apply = part("apply");
    assert_eq!((&*apply["caudal.replicas.from"], &*apply["caudal.replicas.to"]), ("0", "20"));

    let lower = Patch::Merge(json!({ "spec": { "maxReplicas": 10 } }));
    world.scalers().patch("x", &PatchParams::default(), &lower).await.unwrap();
    let clamped =
        sink.span("what held it down", SOON, |span| span.attributes.contains_key("caudal.hold")).await.unwrap();
    assert_eq!(clamped.attributes["caudal.hold"], "limited to the maximum of 10");
    let both = wait::until("two writes are told", SOON, async || {
        let told = sink.spans().iter().filter(|span| span.name == "scale").count();
        if told >= 2 { Ok(told) } else { Err(told) }
    });
    assert_eq!(both.await.unwrap(), 2, "two writes: {:?}", sink.spans());

    world.deployments().delete("worker", &DeleteParams::default()).await.unwrap();
    let failed = sink.span("the look that failed", SOON, |span| span.name == "observe" && span.failed).await.unwrap();
    assert_eq!(failed.attributes["caudal.backlog"], "100");
    assert!(controller.process.stop(Signal::TERM, SOON).await.unwrap().success());
}

/// Waits until a condition of the scaler has this status, and is the one that is meant.
async fn until_condition(world: &World, type_: &str, status: &str, is_meant: impl Fn(&Condition) -> bool) {
    wait::until(&format!("{type_} is {status}"), SOON, async || {
        let conditions = world.scalers().get("x").await.unwrap().status.unwrap_or_default().conditions;
        let mut found = conditions.iter().filter(|condition| condition.type_ == type_ && condition.status == status);
        if found.any(&is_meant) { Ok(()) } else { Err(conditions) }
    })
    .await
    .unwrap();
}

/// Whether the process says that it leads; nothing while it does not answer.
async fn leads(controller: &Controller) -> Result<bool, String> {
    let answer = reqwest::get(format!("http://{}/metrics", controller.ops)).await.map_err(|error| error.to_string())?;
    let text = answer.text().await.map_err(|error| error.to_string())?;
    let line = text.lines().find(|line| line.starts_with("caudal_controller_leads{")).ok_or("no such metric")?;
    Ok(line.ends_with(" 1") || line.ends_with(" 1.0"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_writes_at_most_once_when_it_goes_on_and_is_put_right() {
    let world = World::new().await;
    let controllers = [world.controller("a", &[]).await, world.controller("b", &[]).await];
    let mut leader = world.until_leader_is_not("").await;
    for trial in 0..3_u64 {
        let stopped = &controllers[usize::from(leader == "b")];
        let leading = async || if leads(stopped).await == Ok(true) { Ok(()) } else { Err("it stands by") };
        wait::until("it says that it leads", SOON, leading).await.unwrap();
        let (_, before) = world.seen().await;
        world.enqueue(25).await;
        // Within the time of its reaction: before it has looked, while it decides, while it writes.
        tokio::time::sleep(Duration::from_millis(12 * trial)).await;
        stopped.process.signal(Signal::STOP).unwrap();
        let begun = Instant::now();
        leader = world.until_leader_is_not(&leader).await;
        let written = world.until_replicas(5).await;
        println!("trial {trial}: followed after {:?}", begun.elapsed());
        assert_eq!(written, before + 1, "one patch");

        world.drain().await;
        let emptied = world.until_replicas(0).await;
        stopped.process.signal(Signal::CONT).unwrap();
        let stands_by = async || if leads(stopped).await == Ok(false) { Ok(()) } else { Err("it leads") };
        wait::until("the one that was stopped stands by", SOON, stands_by).await.unwrap();
        world.until_replicas(0).await;
        world.enqueue(100).await;
        let patches = world.until_replicas(20).await - emptied;
        assert!((1..=3).contains(&patches), "{patches} patches: one is due, one may be stale, and one puts that right");
        world.drain().await;
        world.until_replicas(0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_is_followed_within_seconds_and_one_that_ends_at_once() {
    let world = World::new().await;
    let (first, second) = (world.controller("a", &[]).await, world.controller("b", &[]).await);
    world.until_leader_is_not("b").await;
    let (_, before) = world.seen().await;
    kill(first.process).await;
    let killed = Instant::now();
    world.enqueue(100).await;
    let after = world.until_replicas(20).await;
    println!("from the kill to the next decision: {:?}", killed.elapsed());
    assert!(killed.elapsed() < SOON, "followed after {:?}", killed.elapsed());
    assert_eq!(after, before + 1, "one patch");

    let third = world.controller("c", &[]).await;
    assert!(second.process.stop(Signal::TERM, SOON).await.unwrap().success());
    let ended = Instant::now();
    assert_eq!(world.until_leader_is_not("b").await, "c");
    assert!(ended.elapsed() < SOON, "followed after {:?}", ended.elapsed());
    world.drain().await;
    world.until_replicas(0).await;
    assert!(third.process.stop(Signal::TERM, SOON).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_over_tls_with_a_password_is_followed_and_an_authority_that_is_not_trusted_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours")).unwrap();
    let another = Authority::new(&folder.path().join("another")).unwrap();
    let world = World::new().await;
    let redis = Redis::start_tls(&ours.server("redis", &["127.0.0.1"]).unwrap()).await.unwrap();
    let url = follow_by_tls(&world, &redis).await;

    let controller = world.controller("a", &trusting(&another.certificate())).await;
    let told = format!(
        "Redis cannot be reached at {url}: its certificate is of an authority that is not trusted: let SSL_CERT_FILE name the PEM file \
         of that authority"
    );
    // On a slow machine another reason may come first: that the connection took too long.
    until_condition(&world, "Ready", "False", |found| found.reason == "SourceUnavailable" && found.message == told)
        .await;
    assert_eq!(world.seen().await, (0, 1), "an error is never a number");
    assert!(controller.process.stop(Signal::TERM, SOON).await.unwrap().success());

    let controller = world.controller("a", &trusting(&ours.certificate())).await;
    world.until_replicas(3).await;
    until_condition(&world, "Ready", "True", |_| true).await;
    assert!(controller.process.stop(Signal::TERM, SOON).await.unwrap().success());
}

/// The scaler follows a list of 15 in this Redis by TLS, with a password from a Secret. Returns the address.
async fn follow_by_tls(world: &World, redis: &Redis) -> String {
    let plain = caudal_redis::Client::new(&caudal_redis::Options { redis_url: redis.url().into() }).unwrap();
    let mut commands = redis::pipe();
    commands.cmd("RPUSH").arg("jobs").arg(&[1; 15]);
    commands.cmd("CONFIG").arg(&["SET", "requirepass", "se/cr:et@"]);
    commands.exec_async(&mut plain.shared()).await.unwrap();
    world.plane.kubectl(&["create", "secret", "generic", "redis", "--from-literal=it=se/cr:et@"]).await.unwrap();
    let url = redis.tls_url().unwrap();
    let list = json!({ "redis": { "url": url, "passwordSecret": { "name": "redis", "key": "it" } }, "keys": ["jobs"] });
    let followed = Patch::Merge(json!({ "spec": { "source": { "caudal": null, "list": list } } }));
    world.scalers().patch("x", &PatchParams::default(), &followed).await.unwrap();
    url
}

/// The environment of who trusts the servers of this authority.
fn trusting(authority: &Path) -> [(&str, &str); 1] {
    [("SSL_CERT_FILE", authority.to_str().unwrap())]
}
