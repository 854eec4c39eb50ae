//! The scaled workload: seen through the watch where its kind has one, otherwise asked for, and written through its /scale.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v1;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Resource, discovery};
use serde_json::json;
use tokio::sync::Notify;

use crate::crd::ScaleTargetRef;
use crate::error::Error;
use crate::surroundings::Surroundings;
use crate::workloads::{Attention, Look};

/// The name under which the controller owns `spec.replicas` and its status.
pub(crate) const MANAGER: &str = "caudal-controller";

/// One workload.
pub(crate) struct Target {
    api: Api<DynamicObject>,
    reference: ScaleTargetRef,
    namespace: String,
    /// What the watch knows of it, if its kind is watched.
    attention: Option<Attention>,
}

/// The workload's scale at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// The replicas it is asked to have.
    pub(crate) replicas: u32,
    /// Those that are ready, as far as that is known.
    pub(crate) ready: Option<u32>,
    version: Option<String>,
}

impl Target {
    /// Finds out where workloads of this kind are kept. `news` is told when others change its replicas, and when it comes or goes.
    pub(crate) async fn find(
        client: &Client,
        surroundings: &Surroundings,
        namespace: &str,
        reference: ScaleTargetRef,
        news: Arc<Notify>,
    ) -> Result<Self, Error> {
        let (resource, attention) = match surroundings.workloads(&reference) {
            Some((resource, workloads)) => {
                (resource, Some(workloads.attend((namespace.to_owned(), reference.name.clone()), news)))
            }
            None => (discover(client, &reference).await?, None),
        };
        let api = Api::namespaced_with(client.clone(), namespace, &resource);
        Ok(Self { api, reference, namespace: namespace.to_owned(), attention })
    }

    pub(crate) fn is(&self, reference: &ScaleTargetRef) -> bool {
        self.reference == *reference
    }

    /// How people call it: `Deployment/name`.
    pub(crate) fn title(&self) -> String {
        title(&self.reference)
    }

    /// Whether it ends those of its pods first that cost least.
    pub(crate) fn heeds_cost(&self) -> bool {
        self.reference.api_version == "apps/v1" && self.reference.kind == "Deployment"
    }

    /// What finds its pods.
    pub(crate) async fn selector(&self) -> Result<String, Error> {
        let selector = self.ask().await?.status.and_then(|status| status.selector);
        selector.ok_or_else(|| Error::Missing(format!("the selector of {}", self.title())))
    }

    /// How it is: as the watch knows it, or as the API server says.
    pub(crate) async fn scale(&self) -> Result<Scale, Error> {
        match self.attention.as_ref().map_or(Look::Unknown, Attention::look) {
            Look::Seen(seen) => {
                let version = Some(seen.version.to_string());
                Ok(Scale { replicas: seen.replicas, ready: Some(seen.ready), version })
            }
            Look::Missing => Err(Error::Missing(self.title())),
            Look::Unknown => Ok(Scale::of(&Box::pin(self.ask()).await?)),
        }
    }

    /// Asks for so many replicas, provided the workload is still as it was `seen`.
    pub(crate) async fn write(&self, seen: &Scale, replicas: u32) -> Result<(), Error> {
        let scale = json!({
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {
                "name": self.reference.name,
                "namespace": self.namespace,
                "resourceVersion": seen.version,
            },
            "spec": { "replicas": replicas },
        });
        let (patch, how) = match self.attention {
            Some(_) => (Patch::Apply(scale), PatchParams::apply(MANAGER).force()),
            // The API server cannot apply the /scale of a custom resource: it answers 500.
            None => (Patch::Merge(scale), PatchParams::apply(MANAGER)),
        };
        let written = Error::of(&self.title(), self.api.patch_scale(&self.reference.name, &how, &patch)).await;
        let Some(attention) = &self.attention else { return written.map(drop) };
        match written {
            Ok(written) => {
                attention.know(replicas, number(&written), false);
                Ok(())
            }
            Err(conflict @ Error::Conflict(_)) => {
                let now = self.ask().await?;
                attention.know(Scale::of(&now).replicas, number(&now), true);
                Err(conflict)
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&self) -> Result<v1::Scale, Error> {
        let or_scale = if self.attention.is_some() { "" } else { " or its /scale" };
        let what = format!("{}{or_scale}", self.title());
        Error::of(&what, self.api.get_scale(&self.reference.name)).await
    }

    /// Who else has set the replicas last, as the API server noted it: `kubectl`, `helm`, ...
    pub(crate) async fn other_manager(&self) -> Option<String> {
        let metadata = Error::of(&self.title(), self.api.get_metadata(&self.reference.name)).await.ok()?;
        let fields = metadata.meta().managed_fields.iter().flatten();
        let replicas = fields.filter(|entry| {
            let owned = entry.fields_v1.as_ref().map(|fields| &fields.0);
            owned.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
        });
        let others = replicas.filter(|entry| entry.manager.as_deref() != Some(MANAGER));
        others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0)).and_then(|entry| entry.manager.clone())
    }
}

/// How the cluster calls workloads of a kind that is not watched.
async fn discover(client: &Client, reference: &ScaleTargetRef) -> Result<ApiResource, Error> {
    let ScaleTargetRef { api_version, kind, .. } = reference;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let wanted = GroupVersionKind::gvk(group, version, kind);
    let found =
        Error::of(&format!("the kind {kind} of {api_version}"), discovery::pinned_kind(client, &wanted)).await?;
    Ok(found.0)
}

impl Scale {
    fn of(scale: &v1::Scale) -> Self {
        let replicas = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
        let version = scale.metadata.resource_version.clone();
        Self { replicas: u32::try_from(replicas).unwrap_or(0), ready: None, version }
    }
}

/// A version that is no number is told as 0, which says that nothing is known.
fn number(scale: &v1::Scale) -> u64 {
    scale.metadata.resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// How people call a workload: `Deployment/name`.
pub(crate) fn title(reference: &ScaleTargetRef) -> String {
    format!("{}/{}", reference.kind, reference.name)
}
