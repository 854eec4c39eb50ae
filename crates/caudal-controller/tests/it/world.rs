//! What the tests share: one control plane, a namespace for each test, and words for what happens in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Weak};
use std::time::Duration;

use caudal_controller::crd::{QueueScaler, crd};
use caudal_controller::{Metrics, Options, run_on};
use caudal_queue::{Batch, Chunk, Queue, Settlement};
use caudal_telemetry::metrics::Registry;
use caudal_telemetry::ops::Probes;
use caudal_testkit::{ControlPlane, Redis, programs, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long anything may take here.
pub(crate) const SOON: Duration = Duration::from_secs(20);

static PLANE: Mutex<Weak<ControlPlane>> = Mutex::const_new(Weak::new());

/// A namespace of its own on the shared control plane.
pub(crate) struct World {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// A running controller, on a runtime of its own, so that it can die with all it started.
pub(crate) struct Controller {
    pub(crate) probes: Probes,
    registry: Registry,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    runtime: Runtime,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(shared_plane().await).await
    }

    /// On a control plane of its own, which it may stop.
    pub(crate) async fn alone() -> Self {
        Self::on(start_plane().await).await
    }

    async fn on(plane: Arc<ControlPlane>) -> Self {
        let namespace = format!("t-{}", &Uuid::new_v4().simple().to_string()[..12]);
        let client = client(&plane, &namespace).await;
        let made = json!({ "metadata": { "name": namespace } });
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(made).unwrap()).await.unwrap();
        Self { plane, client, namespace }
    }

    /// How the API server is reached.
    pub(crate) async fn config(&self) -> Config {
        config(&self.plane, &self.namespace).await
    }

    pub(crate) fn scalers(&self) -> Api<QueueScaler> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// kubectl, in this namespace.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        let arguments = [&["--namespace", &self.namespace], arguments].concat();
        self.plane.kubectl(&arguments).await.unwrap()
    }

    pub(crate) async fn deployment(&self, name: &str, replicas: u32) {
        let made = serde_json::from_value(deployment(name, Some(replicas))).unwrap();
        self.deployments().create(&PostParams::default(), &made).await.unwrap();
    }

    pub(crate) async fn scaler(&self, name: &str, spec: Value) {
        self.labelled_scaler(name, spec, json!({})).await;
    }

    pub(crate) async fn labelled_scaler(&self, name: &str, spec: Value, labels: Value) {
        let made = json!({
            "apiVersion": "caudal.dev/v1alpha1",
            "kind": "QueueScaler",
            "metadata": { "name": name, "labels": labels },
            "spec": spec,
        });
        self.scalers().create(&PostParams::default(), &serde_json::from_value(made).unwrap()).await.unwrap();
    }

    pub(crate) async fn patch(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.scalers().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// A Deployment `worker` without replicas, a scaler `x` of it that follows this Redis, and a controller at work.
    pub(crate) async fn scaled_by(&self, redis: &Redis) -> Controller {
        self.deployment("worker", 0).await;
        self.scaler("x", quick(&redis.url())).await;
        self.controller("caudal")
    }

    /// A controller of this release for this namespace.
    pub(crate) fn controller(&self, release: &str) -> Controller {
        self.run((release, None), None, |client| client)
    }

    /// The same, whose requests take another way.
    pub(crate) fn controller_over(&self, way: impl FnOnce(Client) -> Client + Send + 'static) -> Controller {
        self.run(("caudal", None), None, way)
    }

    /// The same, by another user's permissions.
    pub(crate) fn controller_as(&self, release: &str, user: &str) -> Controller {
        self.run((release, None), Some(user.to_owned()), |client| client)
    }

    /// A controller of this release that lives here and looks after another namespace.
    pub(crate) fn controller_of(&self, release: &str, namespace: &str) -> Controller {
        self.run((release, Some(namespace.to_owned())), None, |client| client)
    }

    fn run(
        &self,
        (release, elsewhere): (&str, Option<String>),
        user: Option<String>,
        way: impl FnOnce(Client) -> Client + Send + 'static,
    ) -> Controller {
        let options = Options {
            release: release.to_owned(),
            namespaces: elsewhere.into_iter().collect(),
            pod: format!("pod-{}", Uuid::new_v4().simple()),
            pod_uid: Some(Uuid::new_v4().to_string()),
        };
        let probes = Probes::new();
        let shutdown = CancellationToken::new();
        let (metrics, mut registry) = (Metrics::default(), Registry::new("controller"));
        metrics.register(&mut registry);
        let (told, token) = (probes.clone(), shutdown.clone());
        let (plane, namespace) = (Arc::clone(&self.plane), self.namespace.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let task = runtime.spawn(async move {
            let client = way(client_as(&plane, &namespace, user).await);
            drop(plane);
            run_on(client, &options, &told, &metrics, token).await.unwrap();
        });
        Controller { probes, registry, shutdown, task, runtime }
    }

    pub(crate) async fn replicas(&self, name: &str) -> u32 {
        let spec = self.deployments().get(name).await.unwrap().spec;
        u32::try_from(spec.and_then(|spec| spec.replicas).unwrap()).unwrap()
    }

    pub(crate) async fn until_replicas(&self, name: &str, wanted: u32) {
        self.until(&format!("{name} has {wanted} replicas"), async || {
            let replicas = self.replicas(name).await;
            if replicas == wanted { Ok(()) } else { Err(replicas) }
        })
        .await;
    }

    /// Waits until a condition has this status, and returns its reason and message.
    pub(crate) async fn until_condition(&self, name: &str, type_: &str, status: &str) -> (String, String) {
        self.until(&format!("{type_} of {name} is {status}"), async || {
            let conditions = self.scalers().get(name).await.unwrap().status.unwrap_or_default().conditions;
            let found = conditions.into_iter().find(|condition| condition.type_ == type_);
            match found {
                Some(found) if found.status == status => Ok((found.reason, found.message)),
                other => Err(other),
            }
        })
        .await
    }

    /// Waits until the controller has acted on the object as it is now.
    pub(crate) async fn until_seen(&self, name: &str) {
        self.until(&format!("{name} is seen as it is"), async || {
            let object = self.scalers().get(name).await.unwrap();
            let seen = object.status.as_ref().and_then(|status| status.observed_generation);
            if seen == object.metadata.generation { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    /// Waits until an event about this object has this reason, and returns its note.
    pub(crate) async fn until_event(&self, name: &str, reason: &str) -> String {
        self.until(&format!("an event {reason} about {name}"), async || {
            let events = self.events(name).await;
            let found = events.iter().find(|(found, _)| found == reason).map(|(_, note)| note.clone());
            found.ok_or(events)
        })
        .await
    }

    /// Reason and note of all events about this object.
    pub(crate) async fn events(&self, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let events = api.list(&ListParams::default()).await.unwrap();
        let about = events
            .into_iter()
            .filter(|event| event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(name));
        about.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
    }

    pub(crate) async fn until<T, E: Debug>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
        wait::until(what, SOON, probe).await.unwrap()
    }
}

impl Controller {
    pub(crate) async fn ready(&self) {
        let ready = async || if self.probes.is_ready() { Ok(()) } else { Err("not ready") };
        wait::until("the controller is ready", SOON, ready).await.unwrap();
    }

    /// The samples of its metrics: name with labels, and value.
    pub(crate) async fn numbers(&self) -> BTreeMap<String, f64> {
        let text = self.registry.render().await;
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
        samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }

    /// Is gone from one moment to the next; what it started goes with it.
    pub(crate) fn die(self) {
        self.runtime.shutdown_background();
    }

    /// Ends in its own way.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
        self.runtime.shutdown_background();
    }
}

/// A deployment as clients write it.
pub(crate) fn deployment(name: &str, replicas: Option<u32>) -> Value {
    let mut made = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "worker", "image": "worker" }] },
            },
        },
    });
    if let Some(replicas) = replicas {
        made["spec"]["replicas"] = json!(replicas);
    }
    made
}

/// A scaler of the deployment `worker`: 5 invoices for each of up to 20 replicas, quick to come down again.
pub(crate) fn quick(redis_url: &str) -> Value {
    json!({
        "scaleTargetRef": { "name": "worker" },
        "maxReplicas": 20,
        "source": { "caudal": { "redis": { "url": redis_url }, "queue": "facturas" } },
        "target": { "backlogPerReplica": 5 },
        "scaleDown": { "stabilizationSeconds": 1, "stepPercent": 100 },
        "cooldownSeconds": 1,
    })
}

pub(crate) fn queue(redis: &Redis) -> Queue {
    let options = caudal_redis::Options { redis_url: redis.url().into() };
    let client = caudal_redis::Client::new(&options).unwrap();
    Queue::new(&client, &caudal_queue::Options { queue: "facturas".parse().unwrap() })
}

/// Puts so many invoices into the queue, each a chunk of its own.
pub(crate) async fn enqueue(queue: &Queue, invoices: u32) {
    queue.admit(&batch(invoices), 1_000_000).await.unwrap();
}

/// So many invoices, each a chunk of its own.
pub(crate) fn batch(invoices: u32) -> Batch {
    let id = Uuid::new_v4();
    let mut key = [0; 32];
    key[..16].copy_from_slice(id.as_bytes());
    let chunks = (0..invoices).map(|_| Chunk { payload: b"[]".to_vec(), count: 1 }).collect();
    Batch { id, key, fingerprint: [0; 32], chunks, traceparent: None, caller: String::new() }
}

/// Settles all that waits.
pub(crate) async fn drain(queue: &Queue) {
    let mut consumer = queue.consumer(&format!("test/{}", Uuid::new_v4()));
    while queue.backlog().await.unwrap().invoices > 0 {
        for lease in consumer.lease(100, Duration::from_millis(10)).await.unwrap() {
            let settlement = Settlement { recorded: lease.count, ..Settlement::default() };
            queue.settle(&[(&lease, &settlement)]).await.unwrap();
        }
    }
}

/// Runs a command of Redis.
pub(crate) async fn redis_cli(redis: &Redis, command: &[&str]) {
    let port = redis.port().to_string();
    let arguments = [&["-p", &port], command].concat();
    let status = tokio::process::Command::new(programs::find("redis-cli").unwrap())
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.await.unwrap().success());
}

/// The control plane of all tests that run at present; the last of them ends it.
async fn shared_plane() -> Arc<ControlPlane> {
    let mut shared = PLANE.lock().await;
    if let Some(plane) = shared.upgrade() {
        return plane;
    }
    let plane = start_plane().await;
    *shared = Arc::downgrade(&plane);
    plane
}

async fn start_plane() -> Arc<ControlPlane> {
    let plane = Arc::new(ControlPlane::start().await.unwrap());
    let client = client(&plane, "default").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = "queuescalers.caudal.dev";
    let applied = PatchParams::apply("tests").force();
    definitions.patch(name, &applied, &Patch::Apply(crd())).await.unwrap();
    let scalers: Api<QueueScaler> = Api::all(client);
    let served = async || scalers.list(&ListParams::default()).await.map(drop);
    wait::until("QueueScalers are served", SOON, served).await.unwrap();
    plane
}

async fn client(plane: &ControlPlane, namespace: &str) -> Client {
    client_as(plane, namespace, None).await
}

async fn client_as(plane: &ControlPlane, namespace: &str, user: Option<String>) -> Client {
    let mut config = config(plane, namespace).await;
    config.auth_info.impersonate = user;
    Client::try_from(config).unwrap()
}

async fn config(plane: &ControlPlane, namespace: &str) -> Config {
    let file = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    namespace.clone_into(&mut config.default_namespace);
    config.default_retry = false;
    config
}
