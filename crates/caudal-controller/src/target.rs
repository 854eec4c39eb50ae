//! The scaled workload, seen and written through its /scale.

#[cfg(test)]
mod tests;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Resource, discovery};
use serde_json::json;

use crate::crd::ScaleTargetRef;
use crate::error::Error;

/// The name under which the controller owns `spec.replicas` and its status.
pub(crate) const MANAGER: &str = "caudal-controller";

/// One workload.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    api: Api<DynamicObject>,
    reference: ScaleTargetRef,
    namespace: String,
}

/// The workload's scale at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// The replicas it is asked to have.
    pub(crate) replicas: u32,
    version: Option<String>,
}

impl Target {
    /// Finds out where workloads of this kind are kept.
    pub(crate) async fn find(client: Client, namespace: &str, reference: ScaleTargetRef) -> Result<Self, Error> {
        let resource = match (reference.api_version.as_str(), reference.kind.as_str()) {
            ("apps/v1", "Deployment") => ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&()),
            ("apps/v1", "StatefulSet") => ApiResource::erase::<k8s_openapi::api::apps::v1::StatefulSet>(&()),
            (version, kind) => {
                let what = format!("the kind {kind} of {version}");
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                let kind = GroupVersionKind::gvk(group, version, kind);
                Error::of(&what, discovery::pinned_kind(&client, &kind)).await?.0
            }
        };
        let api = Api::namespaced_with(client, namespace, &resource);
        Ok(Self { api, reference, namespace: namespace.to_owned() })
    }

    pub(crate) fn is(&self, reference: &ScaleTargetRef) -> bool {
        self.reference == *reference
    }

    /// How people call it: `Deployment/name`.
    pub(crate) fn title(&self) -> String {
        title(&self.reference)
    }

    pub(crate) async fn scale(&self) -> Result<Scale, Error> {
        let scale = Error::of(&self.title(), self.api.get_scale(&self.reference.name)).await?;
        let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        Ok(Scale { replicas: u32::try_from(replicas).unwrap_or(0), version: scale.metadata.resource_version })
    }

    /// Asks for so many replicas, provided the workload is still as it was `seen`.
    pub(crate) async fn write(&self, seen: &Scale, replicas: u32) -> Result<(), Error> {
        let scale = Patch::Apply(json!({
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {
                "name": self.reference.name,
                "namespace": self.namespace,
                "resourceVersion": seen.version,
            },
            "spec": { "replicas": replicas },
        }));
        let forced = PatchParams::apply(MANAGER).force();
        let written = self.api.patch_scale(&self.reference.name, &forced, &scale);
        Error::of(&self.title(), written).await.map(drop)
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

/// How people call a workload: `Deployment/name`.
pub(crate) fn title(reference: &ScaleTargetRef) -> String {
    format!("{}/{}", reference.kind, reference.name)
}
