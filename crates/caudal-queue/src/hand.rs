//! What a consumer has in its hands: the entries its process holds, and those it gave back a moment ago.
//!
//! A name alone does not say it. Redis may have handed an entry to a reader whose connection broke: it stands under the
//! consumer's name and nobody holds it. Such an entry must be reclaimed, by its own name's process too; a held one never.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::EntryId;

/// The entries of one consumer. Shared by the consumer and its leases.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    taken: u64,
    by_id: HashMap<EntryId, Entry>,
}

#[derive(Debug)]
enum Entry {
    Held { serial: u64 },
    GivenBack { at: Instant },
}

impl Hand {
    /// Takes an entry into the hand, where it stays until the grip is dropped.
    pub(crate) fn take(self: &Arc<Self>, id: EntryId) -> Grip {
        let mut entries = self.lock();
        entries.taken += 1;
        let serial = entries.taken;
        entries.by_id.insert(id, Entry::Held { serial });
        Grip { hand: Arc::clone(self), id, serial }
    }

    /// What must not be reclaimed now: what is held, and what was given back less than `pause` ago.
    pub(crate) fn forbidden(&self, pause: Duration) -> Vec<EntryId> {
        let mut entries = self.lock();
        entries.by_id.retain(|_, entry| match entry {
            Entry::Held { .. } => true,
            Entry::GivenBack { at } => at.elapsed() < pause,
        });
        entries.by_id.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps one entry in the hand.
#[derive(Debug)]
pub(crate) struct Grip {
    hand: Arc<Hand>,
    id: EntryId,
    serial: u64,
}

impl Grip {
    /// Notes that the entry was given back, so that its own consumer does not take it again at once.
    pub(crate) fn give_back(&self) {
        self.hand.lock().by_id.insert(self.id, Entry::GivenBack { at: Instant::now() });
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        let mut entries = self.hand.lock();
        let mine = entries
            .by_id
            .get(&self.id)
            .is_some_and(|entry| matches!(entry, Entry::Held { serial } if *serial == self.serial));
        if mine {
            entries.by_id.remove(&self.id);
        }
    }
}
