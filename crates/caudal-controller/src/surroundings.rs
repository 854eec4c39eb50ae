//! What is around the `QueueScalers` of one namespace or of all: the workloads, and who else scales them.

use std::pin::Pin;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::Client;
use kube::core::ApiResource;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crd::ScaleTargetRef;
use crate::rival::{self, Rivals};
use crate::watched::{api_of, follow};
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
        let until = || (shutdown.clone(), self.unknown.token());
        let workloads = self.kinds().into_iter().map(|(resource, workloads)| -> Watch {
            let workloads = workloads.clone();
            Box::pin(follow(api_of(client.clone(), scope, &resource), until(), move |sight| workloads.take(sight)))
        });
        let rivals = rival::Kind::WATCHED.into_iter().map(|kind| -> Watch {
            let rivals = self.rivals.clone();
            let take = move |sight| rivals.take(kind, sight);
            Box::pin(follow(api_of(client.clone(), scope, &kind.resource()), until(), take))
        });
        workloads.chain(rivals).collect()
    }

    /// Returns once all of it is known, as far as it can be: until then nobody may be taken to have no rival, and each workload would
    /// have to be asked for by itself.
    pub(crate) async fn known(&self) {
        self.unknown.close();
        self.unknown.wait().await;
    }

    /// The watched workloads that a reference is one of, and their kind; none where they are not watched.
    pub(crate) fn workloads(&self, reference: &ScaleTargetRef) -> Option<(ApiResource, &Workloads)> {
        let ScaleTargetRef { api_version, kind, .. } = reference;
        self.kinds().into_iter().find(|(known, _)| known.api_version == *api_version && known.kind == *kind)
    }

    fn kinds(&self) -> [(ApiResource, &Workloads); 2] {
        let (deployment, stateful_set) =
            (ApiResource::erase::<Deployment>(&()), ApiResource::erase::<StatefulSet>(&()));
        [(deployment, &self.deployments), (stateful_set, &self.stateful_sets)]
    }
}
