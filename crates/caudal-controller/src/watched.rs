//! Objects of others, as a watch shows them: of all they hold, only what is needed here is read.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt};
use kube::core::{ApiResource, DynamicResourceScope, Object};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
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

/// What is shared, as whoever had it last left it.
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is read of an object, of which more is in its metadata alone.
pub(crate) type Watched = Object<Option<Spec>, Status>;

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
                let code = match &error {
                    watcher::Error::InitialListFailed(kube::Error::Api(status)) => status.code,
                    _ => 0,
                };
                if !std::mem::replace(&mut failing, true) && code != 404 {
                    warn!(%error, "cannot follow {url}; tries again");
                }
                matches!(code, 403 | 404) && take(Err(Unseen))
            }
        };
        unknown = unknown.filter(|_| !known);
    }
}
