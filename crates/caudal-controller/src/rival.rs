//! Other scalers of the same target: `HorizontalPodAutoscaler`s, among them those that KEDA makes.

use futures_util::StreamExt;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::crd::ScaleTargetRef;

/// The rivals of one namespace or all.
pub(crate) struct Rivals {
    writer: reflector::store::Writer<HorizontalPodAutoscaler>,
}

/// What is known of the rivals.
#[derive(Clone)]
pub(crate) struct Known(Store<HorizontalPodAutoscaler>);

impl Rivals {
    pub(crate) fn new() -> Self {
        Self { writer: reflector::store::Writer::default() }
    }

    pub(crate) fn known(&self) -> Known {
        Known(self.writer.as_reader())
    }

    /// Follows them until `shutdown`.
    pub(crate) fn watch(
        self,
        client: Client,
        scope: Option<String>,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send {
        let api: Api<HorizontalPodAutoscaler> = match &scope {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let events = watcher(api, watcher::Config::default()).default_backoff().modify(|rival| {
            rival.metadata.managed_fields = None;
            rival.status = None;
        });
        let follow = reflector::reflector(self.writer, events).for_each(|event| async move {
            if let Err(error) = event {
                warn!(%error, "cannot follow the HorizontalPodAutoscalers");
            }
        });
        async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = follow => {}
            }
        }
    }
}

impl Known {
    /// Returns once all rivals that are there have been listed: until then nobody may be taken to have none.
    pub(crate) async fn listed(&self) {
        // An error says that nobody lists them any more: then this process ends.
        let _ = self.0.wait_until_ready().await;
    }

    /// The name of another scaler of this target.
    pub(crate) fn of(&self, namespace: &str, target: &ScaleTargetRef) -> Option<String> {
        let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
        let found = self.0.find(|rival| {
            let Some(spec) = &rival.spec else { return false };
            let theirs = &spec.scale_target_ref;
            rival.metadata.namespace.as_deref() == Some(namespace)
                && theirs.kind == target.kind
                && theirs.name == target.name
                && theirs.api_version.as_deref().map(group) == Some(group(&target.api_version))
        });
        found.map(|rival| format!("HorizontalPodAutoscaler/{}", rival.name_any()))
    }
}
