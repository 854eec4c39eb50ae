//! The queue in memory, as a worker reaches it: slowly, and not always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use caudal_queue::{Chunk, EntryId, Error, LEASE, Settled, Settlement};
use chrono::DateTime;
use tokio::time::{Instant, timeout_at};

use super::faults::Line;
use super::scripts::{Dead, Entry};
use super::world::State;
use crate::port::{Leased, Port, Reading, Reclaimed, Seen};

/// The entries a process holds, with a serial number, and since when those it gave back are free.
type Hand = Arc<Mutex<BTreeMap<u64, (u64, Option<Instant>)>>>;

/// A lease of the simulation's.
#[derive(Debug)]
pub(super) struct Lease {
    id: u64,
    name: EntryId,
    entry: Entry,
    hand: Hand,
    serial: u64,
    tried: AtomicBool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut hand = self.hand.lock().unwrap();
        if hand.get(&self.id) == Some(&(self.serial, None)) {
            hand.remove(&self.id);
        }
    }
}

impl Leased for Lease {
    fn seen(&self) -> Seen<'_> {
        let entry = &self.entry;
        Seen {
            id: self.name,
            payload: &entry.payload,
            count: entry.count,
            batch: entry.batch,
            position: entry.position,
            version: entry.version,
            received_at: DateTime::UNIX_EPOCH,
            traceparent: None,
            deliveries: entry.deliveries,
            attempts: entry.attempts,
            suspect: entry.suspect,
        }
    }
}

fn entry_id(id: u64) -> EntryId {
    format!("{id}-0").parse().unwrap_or_else(|_| unreachable!("two numbers with a hyphen"))
}

/// The changes.
#[derive(Debug)]
pub(super) struct Redis(pub(super) Line);

impl Port for Redis {
    type Lease = Lease;

    fn name(&self) -> &str {
        "simulated"
    }

    fn lease_time(&self) -> Duration {
        LEASE
    }

    async fn ready(&self) -> Result<(), Error> {
        self.0.call("ready", Vec::new(), |_| ()).await
    }

    async fn renew(&self, leases: &[&Lease]) -> Result<Vec<EntryId>, Error> {
        let (leases, name) = (ids(leases), self.0.name.clone());
        let renew = move |state: &mut State| {
            let lost: Vec<_> =
                leases.into_iter().filter(|id| !state.change(&name, *id, |stream| stream.renew(&name, *id))).collect();
            state.note(("renewed by", &name, &lost));
            lost.into_iter().map(entry_id).collect()
        };
        self.0.call("renew", Vec::new(), renew).await
    }

    async fn settle(&self, ends: &[(&Lease, &Settlement)]) -> Result<Vec<Settled>, Error> {
        let ends: Vec<_> = ends.iter().map(|(lease, settlement)| (lease.id, (*settlement).clone())).collect();
        let (named, name) = (ends.iter().map(|(id, _)| *id).collect(), self.0.name.clone());
        let settle = move |state: &mut State| ends.iter().map(|(id, end)| settle(state, &name, *id, end)).collect();
        self.0.call("settle", named, settle).await
    }

    async fn release(&self, leases: &[&Lease]) -> Result<(), Error> {
        self.release_spare(leases).await?;
        for lease in leases {
            lease.hand.lock().unwrap().insert(lease.id, (lease.serial, Some(Instant::now())));
        }
        Ok(())
    }

    async fn release_spare(&self, leases: &[&Lease]) -> Result<(), Error> {
        let (named, name) = (ids(leases), self.0.name.clone());
        let tried: BTreeSet<_> =
            leases.iter().filter(|lease| lease.tried.load(Ordering::Relaxed)).map(|lease| lease.id).collect();
        let release = move |state: &mut State| {
            state.note(("given back by", &name, &named));
            for id in named {
                state.change(&name, id, |stream| stream.release(&name, id, tried.contains(&id)));
            }
        };
        self.0.call("release", ids(leases), release).await
    }

    async fn split(&self, lease: &Lease, parts: &[Chunk]) -> Result<Settled, Error> {
        let (id, name, parts, world) = (lease.id, self.0.name.clone(), parts.to_vec(), self.0.world.clone());
        let split = move |state: &mut State| {
            world.arrived.notify_waiters();
            state.note(("split by", &name, id));
            state.change(&name, id, |stream| stream.split(&name, id, &parts))
        };
        let done = self.0.call("split", vec![id], split).await?;
        Ok(if done { Settled::Done } else { Settled::Lost })
    }

    async fn mark(&self, lease: &Lease) -> Result<u32, Error> {
        let (id, name) = (lease.id, self.0.name.clone());
        lease.tried.store(true, Ordering::Relaxed);
        let mark = move |state: &mut State| {
            let tries = state.change(&name, id, |stream| stream.mark(&name, id));
            state.note(("marked by", &name, id, tries));
            tries
        };
        self.0.call("mark", Vec::new(), mark).await
    }

    async fn tidy(&self) -> Result<u64, Error> {
        self.0.call("tidy", Vec::new(), |_| 0).await
    }
}

fn ids(leases: &[&Lease]) -> Vec<u64> {
    leases.iter().map(|lease| lease.id).collect()
}

/// Ends a lease, and checks that it may be.
fn settle(state: &mut State, consumer: &str, id: u64, settlement: &Settlement) -> Settled {
    let mut settled = None;
    state.change(consumer, id, |stream| {
        settled = stream.settle(consumer, id, settlement);
        settled.is_some()
    });
    let Some(entry) = settled else {
        state.note(("not settled by", consumer, id));
        return Settled::Lost;
    };
    state.note(("settled by", consumer, id, settlement.recorded));
    let mut elsewhere = BTreeSet::new();
    for retried in &settlement.retried {
        state.check_retried((entry.batch, retried.position), retried.attempts);
        elsewhere.insert(retried.position);
    }
    for rejected in &settlement.rejected {
        let (position, count, code) = (rejected.position, rejected.count, rejected.code.clone());
        state.check_buried(&Dead { batch: entry.batch, position, count, code });
        elsewhere.extend(position..position + count);
    }
    let counted = entry.places().filter(|(_, position)| !elsewhere.contains(position));
    let counted: Vec<_> = counted.collect();
    let named = (settlement.recorded + settlement.unchanged) as usize;
    if counted.len() != named || elsewhere.iter().any(|position| !entry.positions().contains(position)) {
        state.violate(format!("{consumer} settled {named} invoices of {} in {entry:?}", counted.len()));
    }
    counted.into_iter().for_each(|place| state.check_counted(place));
    Settled::Done
}

/// A worker's reader.
#[derive(Debug)]
pub(super) struct Reader {
    line: Line,
    hand: Hand,
    serial: u64,
    reached: Option<Instant>,
    answered: Option<Instant>,
    failing: bool,
}

impl Reader {
    pub(super) fn new(line: Line) -> Self {
        Self { line, hand: Hand::default(), serial: 0, reached: None, answered: None, failing: false }
    }

    fn noticed<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        let outage = self.failing && self.answered.is_none_or(|at| at.elapsed() > LEASE / 3);
        self.failing = result.is_err();
        if result.is_ok() {
            self.answered = Some(Instant::now());
            self.reached = self.reached.filter(|_| !outage).or(self.answered);
        }
        result
    }

    fn take(&mut self, entries: Vec<(u64, Entry)>) -> Vec<Lease> {
        let mut leases = Vec::new();
        for (id, entry) in entries {
            self.serial += 1;
            self.hand.lock().unwrap().insert(id, (self.serial, None));
            self.line.world.lock().stream.received(&self.line.name, id);
            let (hand, tried) = (Arc::clone(&self.hand), AtomicBool::new(false));
            leases.push(Lease { id, name: entry_id(id), entry, hand, serial: self.serial, tried });
        }
        leases
    }

    /// XREADGROUP as it blocks.
    async fn read(&self, most: usize, block: Duration) -> Result<Vec<(u64, Entry)>, Error> {
        let until = Instant::now() + block;
        loop {
            let name = self.line.name.clone();
            let read = move |state: &mut State| {
                let read = state.stream.read(&name, most);
                if !read.is_empty() {
                    state.check_leasing(&name);
                    state.note(("leased by", &name, read.len()));
                }
                read
            };
            let entries = self.line.call("lease", Vec::new(), read).await?;
            if !entries.is_empty() || timeout_at(until, self.line.world.arrived.notified()).await.is_err() {
                return Ok(entries);
            }
        }
    }
}

impl Reading for Reader {
    type Lease = Lease;

    fn name(&self) -> &str {
        &self.line.name
    }

    async fn lease(&mut self, most: usize, block: Duration) -> Result<Vec<Lease>, Error> {
        let read = self.read(most, block).await;
        let entries = self.noticed(read)?;
        Ok(self.take(entries))
    }

    async fn reclaim(&mut self, most: usize) -> Result<Reclaimed<Lease>, Error> {
        let forbidden: BTreeSet<u64> = {
            let mut hand = self.hand.lock().unwrap();
            hand.retain(|_, (_, given_back)| given_back.is_none_or(|at| at.elapsed() < LEASE));
            hand.keys().copied().collect()
        };
        let outage = self.failing && self.answered.is_none_or(|at| at.elapsed() > LEASE / 3);
        let idle = self.reached.is_some_and(|since| since.elapsed() >= LEASE && !outage).then_some(LEASE);
        let name = self.line.name.clone();
        let reclaim = move |state: &mut State| {
            let entries = state.stream.reclaim(&name, most, idle, &forbidden);
            state.check_taken_over();
            if !entries.is_empty() {
                state.note(("taken over by", &name, entries.len()));
            }
            entries
        };
        let claimed = self.line.call("reclaim", Vec::new(), reclaim).await;
        let entries = self.noticed(claimed)?;
        Ok(Reclaimed { leases: self.take(entries), vanished: Vec::new() })
    }

    async fn promote(&mut self) -> Result<u64, Error> {
        let world = self.line.world.clone();
        let promote = move |state: &mut State| {
            let promoted = state.stream.promote();
            if promoted > 0 {
                world.arrived.notify_waiters();
            }
            promoted
        };
        let promoted = self.line.call("promote", Vec::new(), promote).await;
        self.noticed(promoted)
    }

    async fn leave(self) -> Result<(), Error> {
        self.line.call("leave", Vec::new(), |_| ()).await
    }
}
