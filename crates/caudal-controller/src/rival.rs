//! Who scales what: `HorizontalPodAutoscaler`s, KEDA's `ScaledObject`s and the other `QueueScaler`s.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::jiff::Timestamp;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};

use crate::crd::{QueueScaler, ScaleTargetRef};
use crate::watched::{Reference, Sight, Unseen, Watched};

/// Kinds of rivals; of several the first is named: a `ScaledObject` has made its own `HorizontalPodAutoscaler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    ScaledObject,
    HorizontalPodAutoscaler,
    QueueScaler,
}

impl Kind {
    /// The kinds that are watched for nothing else.
    pub(crate) const WATCHED: [Self; 2] = [Self::ScaledObject, Self::HorizontalPodAutoscaler];

    pub(crate) fn resource(self) -> ApiResource {
        match self {
            Self::ScaledObject => ApiResource::from_gvk(&GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject")),
            Self::HorizontalPodAutoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Self::QueueScaler => ApiResource::erase::<QueueScaler>(&()),
        }
    }
}

/// A scaler, by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Scaler {
    kind: Kind,
    namespace: String,
    name: String,
}

/// What a scaler scales.
#[derive(Debug)]
struct Claim {
    /// `namespace/group/kind/name`
    target: String,
    /// Of `QueueScaler`s: when it was made.
    since: Option<Timestamp>,
    round: u32,
}

#[derive(Default)]
struct Table {
    claims: HashMap<Scaler, Claim>,
    by_target: HashMap<String, Vec<Scaler>>,
    /// Counts the lists of each kind; what is not in the last one is gone.
    rounds: HashMap<Kind, u32>,
}

/// All scalers of one namespace or of all, as they are known. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Rivals {
    table: Arc<Mutex<Table>>,
}

impl Rivals {
    /// Takes in what the watch of a kind tells. Answers whether all of that kind are known by that: an autoscaler that may not be seen
    /// may be there all the same.
    pub(crate) fn take(&self, kind: Kind, sight: Sight) -> bool {
        let mut table = self.lock();
        match sight {
            Err(Unseen) => return kind == Kind::ScaledObject,
            Ok(watcher::Event::InitDone) => {
                table.end_round(kind);
                return true;
            }
            Ok(watcher::Event::Init) => *table.rounds.entry(kind).or_default() += 1,
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                let (scaler, target) = (scaler(kind, &object), object.spec.scale_target_ref.as_ref());
                let target = target.map(|target| named(&scaler.namespace, target));
                table.claim(scaler, target, None);
            }
            Ok(watcher::Event::Delete(object)) => table.release(&scaler(kind, &object)),
        }
        false
    }

    /// Takes in a `QueueScaler`. One that only tries, by `dryRun`, is nobody's rival.
    pub(crate) fn meet(&self, object: &QueueScaler) {
        let scaler = own(object);
        let target = (!object.spec.dry_run).then(|| aim(&scaler.namespace, &object.spec.scale_target_ref));
        self.lock().claim(scaler, target, made_at(object));
    }

    /// A `QueueScaler` is gone.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.lock().release(&Scaler { kind: Kind::QueueScaler, namespace, name });
    }

    /// The rival that keeps this object from scaling, as `Kind/name`. Of two `QueueScaler`s it is the older: one that was added by
    /// mistake must not stop the one at work, and there always is exactly one writer, whoever looks after the two.
    pub(crate) fn of(&self, object: &QueueScaler) -> Option<String> {
        let me = own(object);
        let age = (made_at(object), me.name.as_str());
        let table = self.lock();
        let claimants = table.by_target.get(&aim(&me.namespace, &object.spec.scale_target_ref))?;
        let stronger = claimants.iter().filter(|other| {
            let since = table.claims.get(*other).and_then(|claim| claim.since);
            other.kind != Kind::QueueScaler || (**other != me && (since, other.name.as_str()) < age)
        });
        let first = stronger.min_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)))?;
        Some(format!("{:?}/{}", first.kind, first.name))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn claim(&mut self, scaler: Scaler, target: Option<String>, since: Option<Timestamp>) {
        let round = self.rounds.get(&scaler.kind).copied().unwrap_or_default();
        if let (Some(claim), Some(target)) = (self.claims.get_mut(&scaler), &target)
            && claim.target == *target
        {
            (claim.since, claim.round) = (since, round);
            return;
        }
        self.release(&scaler);
        if let Some(target) = target {
            self.by_target.entry(target.clone()).or_default().push(scaler.clone());
            self.claims.insert(scaler, Claim { target, since, round });
        }
    }

    fn release(&mut self, scaler: &Scaler) {
        let Some(claim) = self.claims.remove(scaler) else { return };
        if let Some(claimants) = self.by_target.get_mut(&claim.target) {
            claimants.retain(|other| other != scaler);
            if claimants.is_empty() {
                self.by_target.remove(&claim.target);
            }
        }
    }

    fn end_round(&mut self, kind: Kind) {
        let round = self.rounds.get(&kind).copied().unwrap_or_default();
        let gone = self.claims.iter().filter(|(scaler, claim)| scaler.kind == kind && claim.round != round);
        let gone: Vec<Scaler> = gone.map(|(scaler, _)| scaler.clone()).collect();
        gone.iter().for_each(|scaler| self.release(scaler));
    }
}

fn own(object: &QueueScaler) -> Scaler {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    Scaler { kind: Kind::QueueScaler, namespace, name }
}

fn scaler(kind: Kind, object: &Watched) -> Scaler {
    Scaler { kind, namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

fn made_at(object: &QueueScaler) -> Option<Timestamp> {
    object.meta().creation_timestamp.as_ref().map(|time| time.0)
}

fn aim(namespace: &str, ScaleTargetRef { api_version, kind, name }: &ScaleTargetRef) -> String {
    format!("{namespace}/{}/{kind}/{name}", group_of(api_version))
}

/// The target that a rival names; one that says no more than a name means a Deployment.
fn named(namespace: &str, target: &Reference) -> String {
    let group = target.api_version.as_deref().map_or("apps", group_of);
    format!("{namespace}/{group}/{}/{}", target.kind.as_deref().unwrap_or("Deployment"), target.name)
}

/// The group of an API version; the core group has no name.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
