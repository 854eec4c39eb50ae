//! What Redis holds, and how the queue's scripts change it: each change at once, and only by who holds the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use caudal_queue::{Chunk, Rejected, Retried, Settlement};
use tokio::time::Instant;
use uuid::Uuid;

use super::world::Place;

/// An entry of the stream, or one that waits to be retried.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) payload: Vec<u8>,
    pub(super) count: u32,
    pub(super) batch: Uuid,
    pub(super) position: u32,
    pub(super) version: i64,
    pub(super) attempts: u32,
    pub(super) suspect: bool,
    pub(super) deliveries: u32,
    owner: Owner,
    renewed: Instant,
    /// Since when it could have been dealt with, or since something happened to it that keeps it waiting.
    pub(super) since: Instant,
    /// Its owner knows that it has it, and no call about it went wrong.
    known: bool,
    /// Its owner has had a try of it counted.
    tried: bool,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { batch, position, count, deliveries, attempts, suspect, owner, .. } = self;
        let fields = (deliveries, attempts, suspect, owner, super::invoice::decode(&self.payload));
        write!(formatter, "{batch} {position}+{count} {fields:?}")
    }
}

impl Entry {
    pub(super) fn positions(&self) -> Range<u32> {
        self.position..self.position + self.count
    }

    fn consumer(&self) -> Option<&str> {
        match &self.owner {
            Owner::Consumer(name) => Some(name),
            Owner::Unread | Owner::Nobody => None,
        }
    }

    /// Its owner, if it knows that it has it.
    fn knowing_owner(&self) -> Option<String> {
        self.consumer().filter(|_| self.known).map(str::to_owned)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let batch = self.batch;
        self.positions().map(move |position| (batch, position))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Unread,
    Nobody,
    Consumer(String),
}

/// A dead letter.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) batch: Uuid,
    pub(super) position: u32,
    pub(super) count: u32,
    pub(super) code: String,
}

/// A batch's counts: received, settled, of these rejected.
#[derive(Debug, Default)]
struct Status {
    received: u32,
    settled: u32,
    rejected: u32,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    entries: BTreeMap<u64, Entry>,
    last: u64,
    version: i64,
    backlog: u64,
    retry: Vec<(Instant, Entry)>,
    dead: Vec<Dead>,
    deaths: BTreeMap<u64, u32>,
    batches: BTreeMap<Uuid, Status>,
    /// The entries the last call has handed out.
    pub(super) handed_out: Vec<u64>,
    /// The owners whose leases the last reclaim took over, though they knew of them.
    pub(super) overdue: Vec<String>,
    /// The owners of those leases of the last reclaim that have had a try counted, which is a death now.
    pub(super) bereaved: Vec<String>,
}

impl Stream {
    /// Takes in chunks, payload and count, and returns the first version.
    pub(super) fn admit(&mut self, batch: Uuid, chunks: Vec<(Vec<u8>, u32)>) -> i64 {
        let first = self.version + 1;
        let mut position = 0;
        for (payload, count) in chunks {
            let version = first + i64::from(position);
            let entry = Entry {
                payload,
                count,
                batch,
                position,
                version,
                attempts: 0,
                suspect: false,
                deliveries: 0,
                owner: Owner::Unread,
                renewed: Instant::now(),
                since: Instant::now(),
                known: false,
                tried: false,
            };
            self.add(entry);
            position += count;
        }
        self.version += i64::from(position);
        self.backlog += u64::from(position);
        self.batches.insert(batch, Status { received: position, ..Status::default() });
        first
    }

    fn add(&mut self, entry: Entry) {
        self.last += 1;
        self.entries.insert(self.last, Entry { owner: Owner::Unread, deliveries: 0, ..entry });
    }

    /// XREADGROUP.
    pub(super) fn read(&mut self, consumer: &str, most: usize) -> Vec<(u64, Entry)> {
        let unread = self.entries.iter().filter(|(_, entry)| entry.owner == Owner::Unread);
        let ids: Vec<_> = unread.map(|(id, _)| *id).take(most).collect();
        self.hand_out(ids, consumer)
    }

    /// Of those given back, and of those not renewed for `idle`, if it is told, as many as are wanted.
    pub(super) fn reclaim(
        &mut self,
        consumer: &str,
        most: usize,
        idle: Option<Duration>,
        forbidden: &BTreeSet<u64>,
    ) -> Vec<(u64, Entry)> {
        let free = |entry: &Entry| match &entry.owner {
            Owner::Unread => false,
            Owner::Nobody => true,
            Owner::Consumer(_) => idle.is_some_and(|idle| entry.renewed.elapsed() >= idle),
        };
        let found = self.entries.iter().filter(|(id, entry)| !forbidden.contains(id) && free(entry));
        let ids: Vec<_> = found.map(|(id, _)| *id).take(most).collect();
        let tried = ids.iter().filter_map(|id| self.entries.get(id)).filter(|entry| entry.tried);
        self.bereaved = tried.filter_map(|entry| entry.consumer().map(str::to_owned)).collect();
        self.overdue = ids.iter().filter_map(|id| self.entries.get(id)?.knowing_owner()).collect();
        self.hand_out(ids, consumer)
    }

    fn hand_out(&mut self, ids: Vec<u64>, consumer: &str) -> Vec<(u64, Entry)> {
        let mut out = Vec::new();
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.owner = Owner::Consumer(consumer.to_owned());
                entry.renewed = Instant::now();
                entry.deliveries += 1;
                entry.known = false;
                entry.tried = false;
                self.handed_out.push(id);
                out.push((id, entry.clone()));
            }
        }
        out
    }

    /// Who holds an entry now.
    pub(super) fn holder(&self, id: u64) -> Option<&str> {
        self.entries.get(&id)?.consumer()
    }

    /// The consumer knows that it has it.
    pub(super) fn received(&mut self, consumer: &str, id: u64) {
        if let Some(entry) = self.owned(consumer, id) {
            entry.known = true;
        }
    }

    /// Something went wrong with these entries, which keeps them waiting.
    pub(super) fn disturb(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.known = false;
                entry.since = Instant::now();
            }
        }
    }

    /// What waits for longer than this, whether in somebody's hands or not.
    pub(super) fn waiting(&self, longer: Duration) -> impl Iterator<Item = &Entry> {
        let due = self.retry.iter().filter(|(due, _)| *due < Instant::now()).map(|(_, entry)| entry);
        self.entries.values().chain(due).filter(move |entry| entry.since.elapsed() > longer)
    }

    /// What the consumer has and knows of.
    pub(super) fn held_by(&self, consumer: &str) -> usize {
        self.entries.values().filter(|entry| entry.knowing_owner().is_some_and(|owner| owner == consumer)).count()
    }

    fn owned(&mut self, consumer: &str, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&id).filter(|entry| matches!(&entry.owner, Owner::Consumer(name) if name == consumer))
    }

    /// Whether the lease is still the consumer's.
    pub(super) fn renew(&mut self, consumer: &str, id: u64) -> bool {
        self.owned(consumer, id).map(|entry| entry.renewed = Instant::now()).is_some()
    }

    /// Whether the lease was the consumer's.
    pub(super) fn release(&mut self, consumer: &str, id: u64, tried: bool) -> bool {
        let Some(entry) = self.owned(consumer, id) else { return false };
        entry.owner = Owner::Nobody;
        entry.deliveries -= 1;
        entry.tried = false;
        if tried {
            self.deaths.entry(id).and_modify(|tries| *tries = tries.saturating_sub(1));
            self.deaths.retain(|_, tries| *tries > 0);
        }
        true
    }

    pub(super) fn mark(&mut self, consumer: &str, id: u64) -> u32 {
        let Some(entry) = self.owned(consumer, id) else { return 0 };
        entry.tried = true;
        let tries = self.deaths.entry(id).or_default();
        *tries += 1;
        *tries
    }

    pub(super) fn split(&mut self, consumer: &str, id: u64, parts: &[Chunk]) -> bool {
        if self.owned(consumer, id).is_none() {
            return false;
        }
        let Some(whole) = self.take(id) else { return false };
        let mut position = whole.position;
        for Chunk { payload, count } in parts {
            let version = whole.version + i64::from(position - whole.position);
            self.add(Entry {
                payload: payload.clone(),
                count: *count,
                position,
                version,
                suspect: true,
                ..whole.clone()
            });
            position += count;
        }
        true
    }

    /// Ends a lease, and returns its entry unless it is not the consumer's.
    pub(super) fn settle(&mut self, consumer: &str, id: u64, settlement: &Settlement) -> Option<Entry> {
        self.owned(consumer, id)?;
        let entry = self.take(id)?;
        let mut rejected = 0;
        for Rejected { position, count, code, .. } in &settlement.rejected {
            self.dead.push(Dead { batch: entry.batch, position: *position, count: *count, code: code.clone() });
            rejected += count;
        }
        for Retried { position, payload, attempts, delay } in &settlement.retried {
            let (position, attempts) = (*position, *attempts);
            let version = entry.version + i64::from(position - entry.position);
            let payload = payload.clone();
            let since = Instant::now() + *delay;
            let again = Entry { payload, count: 1, position, version, attempts, since, ..entry.clone() };
            self.retry.push((since, again));
        }
        let left = entry.count - settlement.retried.len() as u32;
        self.backlog -= u64::from(left);
        if let Some(status) = self.batches.get_mut(&entry.batch) {
            status.settled += left;
            status.rejected += rejected;
        }
        Some(entry)
    }

    fn take(&mut self, id: u64) -> Option<Entry> {
        self.deaths.remove(&id);
        self.entries.remove(&id)
    }

    /// Moves what is due, and says how many.
    pub(super) fn promote(&mut self) -> u64 {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.retry.drain(..).partition(|(due, _)| *due <= now);
        self.retry = later;
        let count = due.len() as u64;
        due.into_iter().for_each(|(_, entry)| self.add(entry));
        count
    }

    /// The last dead letters, from this one on.
    pub(super) fn dead(&self) -> &[Dead] {
        &self.dead
    }

    pub(super) fn backlog(&self) -> u64 {
        self.backlog
    }

    /// What is not done, in words; empty where all is.
    pub(super) fn left(&self) -> String {
        if self.backlog == 0 && self.entries.is_empty() && self.retry.is_empty() && self.deaths.is_empty() {
            return String::new();
        }
        format!(
            "backlog {}, {:?}, to be retried {:?}, deaths {:?}",
            self.backlog, self.entries, self.retry, self.deaths
        )
    }

    /// A batch whose status does not add up, in words.
    pub(super) fn wrong_status(&self) -> Option<String> {
        let buried =
            |batch: &Uuid| -> u32 { self.dead.iter().filter(|dead| dead.batch == *batch).map(|dead| dead.count).sum() };
        self.batches
            .iter()
            .find(|(batch, status)| status.settled != status.received || status.rejected != buried(batch))
            .map(|(batch, status)| format!("{batch} has {status:?} and {} dead letters", buried(batch)))
    }
}
