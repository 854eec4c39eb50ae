//! Objects of others, as a watch shows them: of all they hold, only what is needed here is read.

use std::borrow::Cow;
use std::fmt::Debug;
use std::pin::pin;

use futures_util::{Stream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::backoff::WatchBackoff;

/// How many objects one answer of a list holds: it takes room while it is read.
const PAGE: u32 = 100;
/// After so many seconds a watch is asked for anew, and one that says nothing is taken for dead.
const WATCH_SECONDS: u32 = 60;

/// What is read of an object.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Watched {
    /// Name, namespace and version.
    metadata: ObjectMeta,
    /// `spec.replicas`
    pub(crate) replicas: Option<i32>,
    /// `status.readyReplicas`
    pub(crate) ready: Option<i32>,
    /// `spec.scaleTargetRef`
    pub(crate) target: Option<Reference>,
}

/// The workload that a scaler names.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    pub(crate) api_version: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<i32>,
    scale_target_ref: Option<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    ready_replicas: Option<i32>,
}

impl From<Wire> for Watched {
    fn from(Wire { metadata, spec, status }: Wire) -> Self {
        let Metadata { name, namespace, resource_version } = metadata;
        let (replicas, target) = spec.map(|spec| (spec.replicas, spec.scale_target_ref)).unwrap_or_default();
        let metadata = ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() };
        Self { metadata, replicas, target, ready: status.and_then(|status| status.ready_replicas) }
    }
}

impl Resource for Watched {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// All objects of a kind in one namespace, or in all.
pub(crate) fn api_of<K>(client: Client, scope: Option<&str>, resource: &ApiResource) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    match scope {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// What happens to these objects: first all that are there, then each change. Never ends; lists and watches again by itself.
pub(crate) fn events<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().page_size(PAGE).timeout(WATCH_SECONDS);
    watcher(api, config).backoff(WatchBackoff::default())
}

/// What a watch tells.
pub(crate) type Sight = Result<watcher::Event<Watched>, Unseen>;

/// The cluster does not know the kind, or does not let it be seen.
pub(crate) struct Unseen;

/// Follows the objects until `shutdown`. A failure that lasts is logged once.
pub(crate) async fn follow(
    client: Client,
    scope: Option<String>,
    resource: ApiResource,
    shutdown: CancellationToken,
    mut take: impl FnMut(Sight),
) {
    let mut events = pin!(events(api_of::<Watched>(client, scope.as_deref(), &resource)));
    let mut failing = false;
    while let Some(Some(event)) = shutdown.run_until_cancelled(events.next()).await {
        match event {
            // Only the beginning of an attempt.
            Ok(watcher::Event::Init) => take(Ok(watcher::Event::Init)),
            Ok(event) => {
                failing = false;
                take(Ok(event));
            }
            Err(error) => {
                let unknown = refused_with(&error) == Some(404);
                if !std::mem::replace(&mut failing, true) && !unknown {
                    warn!(%error, "cannot follow the {}; tries again", resource.plural);
                }
                if unknown || refused_with(&error) == Some(403) {
                    take(Err(Unseen));
                }
            }
        }
    }
}

/// The status code of a refused list.
fn refused_with(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}
