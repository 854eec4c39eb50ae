//! What is around the `QueueScalers` of one namespace or of all: the workloads, and who else scales them.

use std::pin::Pin;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::Client;
use kube::core::ApiResource;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crd::ScaleTargetRef;
use crate::rival::{self, Rivals};
use crate::watched::follow;
use crate::workloads::Workloads;

/// Clones share what is known.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) rivals: Rivals,
    deployments: Workloads,
    stateful_sets: Workloads,
    /// Has a token for each watch that does not know yet.
    unknown: TaskTracker,
}

type Watch = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Surroundings {
    /// The watches that keep it known, each to be run until `shutdown`.
    pub(crate) fn watches(&self, client: &Client, scope: Option<&str>, shutdown: &CancellationToken) -> Vec<Watch> {
        let (scope, until) = (|| scope.map(str::to_owned), || (shutdown.clone(), self.unknown.token()));
        let kinds = [
            (ApiResource::erase::<Deployment>(&()), self.deployments.clone()),
            (ApiResource::erase::<StatefulSet>(&()), self.stateful_sets.clone()),
        ];
        let workloads = kinds.into_iter().map(|(resource, workloads)| -> Watch {
            let take = move |sight| workloads.take(sight);
            Box::pin(follow(client.clone(), scope(), resource, until(), take))
        });
        let rivals = rival::Kind::WATCHED.into_iter().map(|kind| -> Watch {
            let rivals = self.rivals.clone();
            let take = move |sight| rivals.take(kind, sight);
            Box::pin(follow(client.clone(), scope(), kind.resource(), until(), take))
        });
        workloads.chain(rivals).collect()
    }

    /// Returns once all of it is known, as far as it can be: until then nobody may be taken to have no rival, and each workload would
    /// have to be asked for by itself.
    pub(crate) async fn known(&self) {
        self.unknown.close();
        self.unknown.wait().await;
    }

    /// The watched workloads that a reference is one of; none where they are not watched.
    pub(crate) fn workloads(&self, reference: &ScaleTargetRef) -> Option<&Workloads> {
        match (reference.api_version.as_str(), reference.kind.as_str()) {
            ("apps/v1", "Deployment") => Some(&self.deployments),
            ("apps/v1", "StatefulSet") => Some(&self.stateful_sets),
            _ => None,
        }
    }
}
