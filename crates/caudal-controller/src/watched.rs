//! Objects of others, as a watch shows them: of all they hold, only what is needed here is read.

use std::borrow::Cow;
use std::fmt::Debug;
use std::pin::pin;

use futures_util::{Stream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::warn;

use crate::backoff::WatchBackoff;
use crate::crd::ScaleTargetRef;

/// How many objects one answer of a list holds: it takes room while it is read.
const PAGE: u32 = 100;
/// After so many seconds a watch is asked for anew, and one that says nothing is taken for dead.
const WATCH_SECONDS: u32 = 60;

/// Namespace and name.
pub(crate) type Key = (String, String);

pub(crate) fn key(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What is read of an object.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Watched {
    #[serde(deserialize_with = "name_and_version")]
    metadata: ObjectMeta,
    #[serde(default)]
    pub(crate) spec: Spec,
    #[serde(default)]
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) replicas: Option<i32>,
    /// Of a scaler: what it scales. Where it says no more than a name, as everywhere, a Deployment.
    pub(crate) scale_target_ref: Option<ScaleTargetRef>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) ready_replicas: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
}

fn name_and_version<'de, D: Deserializer<'de>>(wire: D) -> Result<ObjectMeta, D::Error> {
    let Metadata { name, namespace, resource_version } = Metadata::deserialize(wire)?;
    Ok(ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() })
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

/// Follows the objects until `shutdown`. Lets go of `unknown` once `take` says that it knows. A failure that lasts is logged once.
pub(crate) async fn follow(
    api: Api<Watched>,
    (shutdown, unknown): (CancellationToken, TaskTrackerToken),
    mut take: impl FnMut(Sight) -> bool,
) {
    let url = api.resource_url().to_owned();
    let mut events = pin!(events(api));
    let (mut failing, mut unknown) = (false, Some(unknown));
    while let Some(Some(event)) = shutdown.run_until_cancelled(events.next()).await {
        let known = match event {
            // Only the beginning of an attempt.
            Ok(watcher::Event::Init) => take(Ok(watcher::Event::Init)),
            Ok(event) => {
                failing = false;
                take(Ok(event))
            }
            Err(error) => {
                let code = refused_with(&error);
                if !std::mem::replace(&mut failing, true) && code != Some(404) {
                    warn!(%error, "cannot follow {url}; tries again");
                }
                matches!(code, Some(403 | 404)) && take(Err(Unseen))
            }
        };
        unknown = unknown.filter(|_| !known);
    }
}

/// The status code of a refused list.
fn refused_with(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}
