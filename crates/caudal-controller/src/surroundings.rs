//! What is around the `QueueScalers` of one namespace or of all: the workloads, and who else scales them.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::Client;
use kube::core::ApiResource;
use tokio::task::JoinSet;
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

impl Surroundings {
    /// Starts the watches that keep it known, each until `shutdown`.
    pub(crate) fn watch(
        &self,
        parts: &mut JoinSet<()>,
        client: &Client,
        scope: Option<&str>,
        shutdown: &CancellationToken,
    ) {
        let until = || (shutdown.clone(), self.unknown.token());
        for (resource, workloads) in self.kinds() {
            let (api, workloads) = (api_of(client.clone(), scope, &resource), workloads.clone());
            parts.spawn(follow(api, until(), move |sight| workloads.take(sight)));
        }
        for kind in rival::Kind::WATCHED {
            let (api, rivals) = (api_of(client.clone(), scope, &kind.resource()), self.rivals.clone());
            parts.spawn(follow(api, until(), move |sight| rivals.take(kind, sight)));
        }
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
