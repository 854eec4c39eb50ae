//! A Kubernetes API server, a controller at work on it, and what a watch shows.

use std::collections::HashMap;
use std::pin::pin;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use caudal_controller::crd::{QueueScaler, crd};
use caudal_testkit::{ControlPlane, wait};
use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;

const START: Duration = Duration::from_secs(60);
/// Longer than anything that is measured.
const LONG: Duration = Duration::from_secs(60);

/// An API server that knows QueueScalers.
pub(crate) struct Cluster {
    plane: ControlPlane,
    client: Client,
}

/// A Deployment's replicas from the moment its watch event came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    pub(crate) at: Instant,
    pub(crate) replicas: u32,
    /// Counts the writes to the Deployment.
    pub(crate) generation: i64,
}

/// All sights of each Deployment. Clones share them.
#[derive(Clone)]
pub(crate) struct Sights(watch::Receiver<Known>);

type Known = HashMap<String, Vec<Sight>>;

impl Cluster {
    pub(crate) async fn start() -> Result<Self> {
        let plane = ControlPlane::start().await?;
        let file = Kubeconfig::read_from(plane.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        definitions.create(&PostParams::default(), &crd()).await?;
        let scalers: Api<QueueScaler> = Api::default_namespaced(client.clone());
        let served = async || scalers.list(&ListParams::default()).await;
        wait::until("QueueScalers are served", START, served).await?;
        Ok(Self { plane, client })
    }

    /// Makes a Deployment without replicas and a QueueScaler of it: 5 for each of up to 20 replicas, and to zero at the next tick.
    pub(crate) async fn scaled(&self, name: &str, source: &Value) -> Result<()> {
        let scaler = json!({
            "apiVersion": "caudal.dev/v1alpha1", "kind": "QueueScaler", "metadata": { "name": name },
            "spec": {
                "scaleTargetRef": { "name": name }, "maxReplicas": 20, "source": source,
                "target": { "backlogPerReplica": 5 },
                "scaleDown": { "stabilizationSeconds": 0, "stepPercent": 100 }, "cooldownSeconds": 0,
            },
        });
        self.deployment(name).await?;
        let scalers: Api<QueueScaler> = Api::default_namespaced(self.client.clone());
        scalers.create(&PostParams::default(), &serde_json::from_value(scaler)?).await?;
        Ok(())
    }

    /// Makes a Deployment without replicas.
    pub(crate) async fn deployment(&self, name: &str) -> Result<()> {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
            "spec": {
                "replicas": 0,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": { "app": name } },
                    "spec": { "containers": [{ "name": "worker", "image": "worker" }] },
                },
            },
        });
        self.deployments().create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
        Ok(())
    }

    /// Writes a Deployment's replicas in the way of the controller.
    pub(crate) async fn write(&self, name: &str, replicas: u32) -> Result<()> {
        let scale = json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": name }, "spec": { "replicas": replicas },
        });
        let forced = PatchParams::apply("bench").force();
        self.deployments().patch_scale(name, &forced, &Patch::Apply(scale)).await?;
        Ok(())
    }

    /// What starts a controller.
    pub(crate) fn controller(&self, pod: &str, ops: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
        command.args(["controller", "--pod", pod, "--ops-listen", ops]).env("KUBECONFIG", self.plane.kubeconfig());
        command
    }

    /// The pod that leads.
    pub(crate) async fn leader(&self) -> Result<Option<String>> {
        let leases: Api<Lease> = Api::default_namespaced(self.client.clone());
        let holder = leases.get_opt("caudal-controller").await?.and_then(|lease| lease.spec?.holder_identity);
        Ok(holder.and_then(|holder| Some(holder.rsplit_once('_')?.0.to_owned())))
    }

    /// Follows the Deployments until what is returned and its clones are dropped.
    pub(crate) fn watch(&self) -> Sights {
        let (sender, receiver) = watch::channel(HashMap::new());
        tokio::spawn(follow(self.deployments(), sender));
        Sights(receiver)
    }

    /// Returns once the controller looks after so many QueueScalers.
    pub(crate) async fn looked_after(&self, count: usize) -> Result<()> {
        let scalers: Api<QueueScaler> = Api::default_namespaced(self.client.clone());
        let told = async || {
            let seen = |object: &QueueScaler| object.status.as_ref().is_some_and(|status| status.replicas.is_some());
            match scalers.list(&ListParams::default()).await.map(|list| list.iter().filter(|one| seen(one)).count()) {
                Ok(seen) if seen >= count => Ok(()),
                other => Err(other),
            }
        };
        Ok(wait::until("the controller looks after all", LONG, told).await?)
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::default_namespaced(self.client.clone())
    }
}

async fn follow(deployments: Api<Deployment>, sights: watch::Sender<Known>) {
    let mut objects = pin!(watcher(deployments, watcher::Config::default()).default_backoff().applied_objects());
    while let Some(object) = objects.next().await {
        let at = Instant::now();
        let Ok(object) = object else { continue };
        let generation = object.metadata.generation.unwrap_or(0);
        let replicas = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
        let sight = Sight { at, replicas: replicas.unsigned_abs(), generation };
        sights.send_if_modified(|known| {
            let before = known.entry(object.name_any()).or_default();
            // A change of something else, as of its status, is none here.
            let is_new = before.last().is_none_or(|before| before.generation != generation);
            before.extend(is_new.then_some(sight));
            is_new
        });
        if sights.is_closed() {
            return;
        }
    }
}

impl Sights {
    /// The last sight of a Deployment, once it is so.
    pub(crate) async fn until(&mut self, name: &str, is_so: impl Fn(&Sight) -> bool) -> Result<Sight> {
        let last = |known: &Known| known.get(name).and_then(|sights| sights.last()).copied();
        let seen = self.0.wait_for(|known| last(known).is_some_and(|sight| is_so(&sight)));
        let Ok(known) = tokio::time::timeout(LONG, seen).await else {
            bail!("{name} stays at {:?}", last(&self.0.borrow()));
        };
        last(&*known?).context("it was there")
    }

    /// All sights of a Deployment.
    pub(crate) fn all(&self, name: &str) -> Vec<Sight> {
        self.0.borrow().get(name).cloned().unwrap_or_default()
    }
}
