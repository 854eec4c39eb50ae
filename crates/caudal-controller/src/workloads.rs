//! The Deployments or the `StatefulSets` of one namespace or of all, as a watch shows them: a few bytes each.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kube::ResourceExt;
use kube::runtime::watcher;
use tokio::sync::Notify;

use crate::watched::{Key, Sight, Unseen, Watched, key, locked};

/// What is known of them. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Workloads {
    table: Arc<Mutex<Table>>,
}

/// A workload's replicas at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Those it is asked to have.
    pub(crate) replicas: u32,
    /// Those that are ready.
    pub(crate) ready: u32,
    /// Its `resourceVersion`: later ones are greater.
    pub(crate) version: u64,
}

/// What a look comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing is known: they have not been listed, or cannot be.
    Unknown,
    Missing,
    Seen(Seen),
}

#[derive(Default)]
struct Table {
    listed: bool,
    /// Counts the lists; an entry that is not in the last one is gone.
    round: u32,
    entries: HashMap<Key, Entry>,
}

#[derive(Default)]
struct Entry {
    seen: Option<Seen>,
    round: u32,
    /// Who wants to know when its replicas become others than they were known to be, or it comes or goes.
    told: Vec<Arc<Notify>>,
}

impl Workloads {
    /// Takes in what the watch tells. Answers whether it is clear by that whether they can be listed.
    pub(crate) fn take(&self, sight: Sight) -> bool {
        let tried = matches!(sight, Ok(watcher::Event::InitDone) | Err(Unseen));
        let mut table = locked(&self.table);
        match sight {
            Err(Unseen) => table.listed = false,
            Ok(watcher::Event::Init) => table.round = table.round.wrapping_add(1),
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => table.see(&object),
            Ok(watcher::Event::Delete(object)) => table.lose(&key(&object)),
            Ok(watcher::Event::InitDone) => {
                table.listed = true;
                let round = table.round;
                table.entries.retain(|_, entry| entry.round == round || entry.lose());
            }
        }
        tried
    }

    /// Looks after one of them from now on; `news` is told of what others do to it.
    pub(crate) fn attend(&self, key: Key, news: Arc<Notify>) -> Attention {
        locked(&self.table).entries.entry(key.clone()).or_default().told.push(Arc::clone(&news));
        Attention { workloads: self.clone(), key, news }
    }
}

impl Table {
    fn see(&mut self, object: &Watched) {
        let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        let version = object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0);
        let replicas = count(object.spec.as_ref().and_then(|spec| spec.replicas));
        let ready = count(object.status.as_ref().and_then(|status| status.ready_replicas));
        let seen = Seen { replicas, ready, version };
        let entry = self.entries.entry(key(object)).or_default();
        entry.round = self.round;
        // After a write of our own the watch still tells what was before it.
        if entry.seen.is_none_or(|known| known.version <= version) {
            entry.see(seen);
        }
    }

    fn lose(&mut self, key: &Key) {
        if self.entries.get_mut(key).is_some_and(|entry| !entry.lose()) {
            self.entries.remove(key);
        }
    }
}

impl Entry {
    fn see(&mut self, seen: Seen) {
        let before = self.seen.replace(seen);
        if before.is_none_or(|before| before.replicas != seen.replicas) {
            self.told.iter().for_each(|news| news.notify_one());
        }
    }

    /// It is gone. Answers whether anybody still waits for it.
    fn lose(&mut self) -> bool {
        if self.seen.take().is_some() {
            self.told.iter().for_each(|news| news.notify_one());
        }
        !self.told.is_empty()
    }
}

/// One of them, looked after until this is dropped.
pub(crate) struct Attention {
    workloads: Workloads,
    key: Key,
    news: Arc<Notify>,
}

impl Attention {
    /// Its replicas as they are known.
    pub(crate) fn look(&self) -> Look {
        let table = locked(&self.workloads.table);
        match table.entries.get(&self.key).and_then(|entry| entry.seen) {
            _ if !table.listed => Look::Unknown,
            None => Look::Missing,
            // A version that is no number cannot be compared.
            Some(seen) if seen.version == 0 => Look::Unknown,
            Some(seen) => Look::Seen(seen),
        }
    }

    /// Takes in what the API server answered: to a write, which the watch tells only later, if it has not told later things already; or
    /// to a look, by which what was known was wrong. Whether it is there at all is the watch's say.
    pub(crate) fn know(&self, replicas: u32, version: u64, was_wrong: bool) {
        let mut table = locked(&self.workloads.table);
        let seen = table.entries.get_mut(&self.key).and_then(|entry| entry.seen.as_mut());
        if let Some(seen) = seen.filter(|seen| was_wrong || seen.version < version) {
            *seen = Seen { replicas, version, ..*seen };
        }
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        let mut table = locked(&self.workloads.table);
        if let Some(entry) = table.entries.get_mut(&self.key) {
            entry.told.retain(|news| !Arc::ptr_eq(news, &self.news));
            if entry.told.is_empty() && entry.seen.is_none() {
                table.entries.remove(&self.key);
            }
        }
    }
}
