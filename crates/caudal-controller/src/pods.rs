//! Busy pods are marked just before a step down, so that the idle ones are ended.
//!
//! A `ReplicaSet` ends pods that do not run or are not ready first, then those of the lowest `pod-deletion-cost`, then the younger; one that
//! is ending already is no candidate. What becomes busy between mark and step is covered by the worker's own grace. A `StatefulSet`
//! ends the highest ordinal, whatever it costs.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams};
use serde_json::json;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::error::Error;
use crate::source::Unread;

const ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";
/// Nothing costs more.
const COST: &str = "2147483647";
/// The name under which the annotation is owned, and nothing else.
const MANAGER: &str = "caudal-controller-pods";
/// For how long a step waits until its pods are marked.
const LIMIT: Duration = Duration::from_secs(3);
/// So many pods of a workload are looked at.
const MOST: u32 = 1_000;
/// So many are marked at the same time.
const AT_ONCE: usize = 16;

/// The names of workers that have work. Each is its pod's name, or begins with it: `<pod>/<nonce>`.
pub(crate) type Workers = BTreeSet<String>;

/// Marks the busy ones among the pods that the selector finds, and takes the mark off those that are idle by now. As far as that can be
/// done in three seconds: a step down goes ahead either way, and what went wrong is told in the log.
pub(crate) async fn spare(
    pods: &Api<Pod>,
    selector: impl Future<Output = Result<String, Error>>,
    busy: impl Future<Output = Result<Option<Workers>, Unread>>,
) {
    let marking = async {
        match busy.await {
            Ok(Some(busy)) => mark(pods, selector, &busy).await.unwrap_or_else(|error| {
                warn!(%error, "the busy pods could not be marked, for which the controller must list and patch them: the step down may end some");
            }),
            Ok(None) => {}
            Err(error) => warn!(%error, "who is busy cannot be told: the step down may end busy pods"),
        }
    };
    if timeout(LIMIT, marking).await.is_err() {
        warn!("the busy pods could not all be marked within {} s: the step down may end some of them", LIMIT.as_secs());
    }
}

async fn mark(
    pods: &Api<Pod>,
    selector: impl Future<Output = Result<String, Error>>,
    busy: &Workers,
) -> Result<(), Error> {
    let running = ListParams::default().labels(&selector.await?).fields("status.phase=Running").limit(MOST);
    let found = Error::of("the target's pods", pods.list_metadata(&running)).await?;
    let changes = changes(found.items.into_iter().map(|pod| pod.metadata), busy);
    debug!(pods.marked = changes.iter().filter(|change| change.busy).count(), "marks the busy pods");
    let written = stream::iter(changes).map(|change| change.write(pods)).buffer_unordered(AT_ONCE);
    written.try_collect().await
}

/// A pod whose mark is to be set or taken off.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    busy: bool,
    name: String,
    uid: String,
}

/// The marks to be changed, first those to be set. A cost that somebody else has given a pod stays.
fn changes(pods: impl Iterator<Item = ObjectMeta>, busy: &Workers) -> Vec<Change> {
    let change = |pod: ObjectMeta| {
        let (name, uid) = (pod.name?, pod.uid?);
        let cost = pod.annotations.as_ref().and_then(|annotations| annotations.get(ANNOTATION));
        let busy = is_busy(&name, busy);
        let differs = cost.map_or(busy, |cost| cost == COST && !busy);
        (differs && pod.deletion_timestamp.is_none()).then_some(Change { busy, name, uid })
    };
    let mut changes: Vec<Change> = pods.filter_map(change).collect();
    changes.sort_by_key(|change| !change.busy);
    changes
}

fn is_busy(pod: &str, workers: &Workers) -> bool {
    let from = (Bound::Included(pod), Bound::Unbounded);
    let mut rests = workers.range::<str, _>(from).map_while(|worker| worker.strip_prefix(pod));
    rests.any(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

impl Change {
    async fn write(self, pods: &Api<Pod>) -> Result<(), Error> {
        // With its uid, so that no pod is made where this one is gone. What is not applied again is taken off.
        let mut metadata = json!({ "name": self.name, "uid": self.uid });
        if self.busy {
            metadata["annotations"] = json!({ ANNOTATION: COST });
        }
        let patch = Patch::Apply(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata }));
        let ours = PatchParams::apply(MANAGER);
        let patched = pods.patch_metadata(&self.name, &ours, &patch);
        match Error::of(&format!("Pod/{}", self.name), patched).await {
            Ok(_) | Err(Error::Missing(_) | Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
