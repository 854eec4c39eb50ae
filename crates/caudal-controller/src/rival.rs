//! Who scales what: `HorizontalPodAutoscaler`s, KEDA's `ScaledObject`s and the other `QueueScaler`s.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher;

use crate::crd::{QueueScaler, ScaleTargetRef};
use crate::watched::{Key, Sight, Unseen, key, locked};

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

/// A scaler: its kind, and its namespace and name.
type Scaler = (Kind, Key);

/// What a scaler scales.
#[derive(Debug)]
struct Claim {
    /// What it aims at.
    target: String,
    /// Of `QueueScaler`s: when it was made.
    since: Option<Timestamp>,
    round: u32,
}

#[derive(Default)]
struct Table {
    claims: HashMap<Scaler, Claim>,
    /// The same, by target.
    by_target: BTreeSet<(String, Scaler)>,
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
        let mut table = locked(&self.table);
        match sight {
            Err(Unseen) if kind != Kind::ScaledObject => {}
            Err(Unseen) | Ok(watcher::Event::InitDone) => {
                table.end_round(kind);
                return true;
            }
            Ok(watcher::Event::Init) => *table.rounds.entry(kind).or_default() += 1,
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                let key = key(&object);
                let target = object.spec.as_ref().and_then(|spec| Some(aim(&key.0, spec.scale_target_ref.as_ref()?)));
                table.claim((kind, key), target, None);
            }
            Ok(watcher::Event::Delete(object)) => table.release(&(kind, key(&object))),
        }
        false
    }

    /// Takes in a `QueueScaler`. One that only tries, by `dryRun`, is nobody's rival.
    pub(crate) fn meet(&self, object: &QueueScaler) {
        let key = key(object);
        let target = (!object.spec.dry_run).then(|| aim(&key.0, &object.spec.scale_target_ref));
        locked(&self.table).claim((Kind::QueueScaler, key), target, made_at(object));
    }

    /// A `QueueScaler` is gone.
    pub(crate) fn forget(&self, key: &Key) {
        locked(&self.table).release(&(Kind::QueueScaler, key.clone()));
    }

    /// The rival that keeps this object from scaling, as `Kind/name`. Of two `QueueScaler`s it is the older: one that was added by
    /// mistake must not stop the one at work, and there always is exactly one writer, whoever looks after the two.
    pub(crate) fn of(&self, object: &QueueScaler) -> Option<String> {
        let me = key(object);
        let age = (made_at(object), &me);
        let table = locked(&self.table);
        let stronger = |other: &&Scaler| {
            let since = table.claims.get(*other).and_then(|claim| claim.since);
            other.0 != Kind::QueueScaler || (since, &other.1) < age
        };
        let (kind, (_, name)) = table.claimants(&aim(&me.0, &object.spec.scale_target_ref)).find(stronger)?;
        Some(format!("{kind:?}/{name}"))
    }
}

impl Table {
    fn claim(&mut self, scaler: Scaler, target: Option<String>, since: Option<Timestamp>) {
        let round = self.rounds.get(&scaler.0).copied().unwrap_or_default();
        if let (Some(claim), Some(target)) = (self.claims.get_mut(&scaler), &target)
            && claim.target == *target
        {
            (claim.since, claim.round) = (since, round);
            return;
        }
        self.release(&scaler);
        if let Some(target) = target {
            self.by_target.insert((target.clone(), scaler.clone()));
            self.claims.insert(scaler, Claim { target, since, round });
        }
    }

    fn release(&mut self, scaler: &Scaler) {
        if let Some(claim) = self.claims.remove(scaler) {
            self.by_target.remove(&(claim.target, scaler.clone()));
        }
    }

    /// All that scale this target, in the order in which they are named.
    fn claimants(&self, target: &str) -> impl Iterator<Item = &Scaler> {
        let from = (target.to_owned(), (Kind::ScaledObject, Key::default()));
        self.by_target.range(from..).take_while(move |(other, _)| other == target).map(|(_, scaler)| scaler)
    }

    fn end_round(&mut self, kind: Kind) {
        let round = self.rounds.get(&kind).copied().unwrap_or_default();
        let gone = self.claims.iter().filter(|(scaler, claim)| scaler.0 == kind && claim.round != round);
        let gone: Vec<Scaler> = gone.map(|(scaler, _)| scaler.clone()).collect();
        gone.iter().for_each(|scaler| self.release(scaler));
    }
}

fn made_at(object: &QueueScaler) -> Option<Timestamp> {
    object.meta().creation_timestamp.as_ref().map(|time| time.0)
}

/// `namespace/group/kind/name`: the version of the group does not matter, and the core group has no name.
fn aim(namespace: &str, ScaleTargetRef { api_version, kind, name }: &ScaleTargetRef) -> String {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    format!("{namespace}/{group}/{kind}/{name}")
}
