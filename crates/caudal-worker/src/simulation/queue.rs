//! The queue in memory, as a worker reaches it: slowly, and not always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use caudal_queue::{Chunk, EntryId, Error, LEASE, Settled, Settlement};
use chrono::DateTime;
use tokio::time::{Instant, sleep, timeout_at};

use super::scripts::{Dead, Entry};
use super::world::{State, World};
use crate::port::{Leased, Port, Reading, Reclaimed, Seen};

/// Once in so many calls Redis does not hear it, and once it does and is not heard.
const OFTEN: u64 = 100;

/// The entries a process holds, with a serial number, and since when those it gave back are free.
type Hand = Arc<Mutex<BTreeMap<u64, (u64, Option<Instant>)>>>;

/// A lease of the simulation's.
#[derive(Debug)]
pub(super) struct Lease {
    id: u64,
    name: EntryId,
    entry: Entry,
    consumer: String,
    hand: Hand,
    serial: u64,
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

fn unreachable_redis() -> Error {
    Error::Unavailable(std::io::Error::other("away").into())
}

/// One call of a script: takes time; may not be heard, or may be heard and its answer lost.
async fn call<T>(world: &World, effect: impl FnOnce(&mut State) -> T) -> Result<T, Error> {
    world.latency().await;
    if world.redis_is_away() {
        sleep(world.between(1, 500)).await;
        return Err(unreachable_redis());
    }
    if world.happens(OFTEN) {
        return Err(unreachable_redis());
    }
    let answer = effect(&mut world.lock());
    sleep(Duration::from_millis(1)).await;
    if world.happens(OFTEN) || world.redis_is_away() { Err(unreachable_redis()) } else { Ok(answer) }
}

/// The changes.
#[derive(Debug)]
pub(super) struct Redis {
    world: World,
}

impl Redis {
    pub(super) fn new(world: &World) -> Self {
        Self { world: world.clone() }
    }
}

impl Port for Redis {
    type Lease = Lease;

    fn name(&self) -> &str {
        "simulated"
    }

    fn lease_time(&self) -> Duration {
        LEASE
    }

    async fn ready(&self) -> Result<(), Error> {
        call(&self.world, |_| ()).await
    }

    async fn renew(&self, leases: &[&Lease]) -> Result<Vec<EntryId>, Error> {
        call(&self.world, |state| {
            let lost = leases.iter().filter(|lease| !state.stream.renew(&lease.consumer, lease.id));
            lost.map(|lease| lease.name).collect()
        })
        .await
    }

    async fn settle(&self, ends: &[(&Lease, &Settlement)]) -> Result<Vec<Settled>, Error> {
        call(&self.world, |state| ends.iter().map(|(lease, settlement)| settle(state, lease, settlement)).collect())
            .await
    }

    async fn release(&self, leases: &[&Lease]) -> Result<(), Error> {
        call(&self.world, |state| leases.iter().for_each(|lease| state.stream.release(&lease.consumer, lease.id)))
            .await?;
        for lease in leases {
            lease.hand.lock().unwrap().insert(lease.id, (lease.serial, Some(Instant::now())));
        }
        Ok(())
    }

    async fn split(&self, lease: &Lease, parts: &[Chunk]) -> Result<Settled, Error> {
        let split = call(&self.world, |state| {
            self.world.arrived.notify_waiters();
            state.stream.split(&lease.consumer, lease.id, parts)
        });
        let done = split.await?;
        Ok(if done { Settled::Done } else { Settled::Lost })
    }

    async fn mark(&self, lease: &Lease) -> Result<u32, Error> {
        call(&self.world, |state| state.stream.mark(&lease.consumer, lease.id)).await
    }

    async fn tidy(&self) -> Result<u64, Error> {
        call(&self.world, |_| 0).await
    }
}

/// Ends a lease, and checks that it may be.
fn settle(state: &mut State, lease: &Lease, settlement: &Settlement) -> Settled {
    state.note((&lease.consumer, lease.id, settlement.recorded));
    let Some(entry) = state.stream.settle(&lease.consumer, lease.id, settlement) else { return Settled::Lost };
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
    let counted = (entry.position..entry.position + entry.count).filter(|position| !elsewhere.contains(position));
    counted.for_each(|position| state.check_counted((entry.batch, position)));
    Settled::Done
}

/// A worker's reader.
#[derive(Debug)]
pub(super) struct Reader {
    world: World,
    name: String,
    hand: Hand,
    serial: u64,
    reached: Option<Instant>,
}

impl Reader {
    pub(super) fn new(world: &World, name: &str) -> Self {
        Self { world: world.clone(), name: name.to_owned(), hand: Hand::default(), serial: 0, reached: None }
    }

    fn noticed<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.reached = match &result {
            Ok(_) => self.reached.or_else(|| Some(Instant::now())),
            Err(_) => None,
        };
        result
    }

    fn take(&mut self, entries: Vec<(u64, Entry)>) -> Vec<Lease> {
        let mut leases = Vec::new();
        for (id, entry) in entries {
            self.serial += 1;
            self.hand.lock().unwrap().insert(id, (self.serial, None));
            let (consumer, hand) = (self.name.clone(), Arc::clone(&self.hand));
            leases.push(Lease { id, name: entry_id(id), entry, consumer, hand, serial: self.serial });
        }
        leases
    }

    /// XREADGROUP as it blocks.
    async fn read(&self, most: usize, block: Duration) -> Result<Vec<(u64, Entry)>, Error> {
        let until = Instant::now() + block;
        loop {
            let read = call(&self.world, |state| {
                let read = state.stream.read(&self.name, most);
                if !read.is_empty() {
                    state.check_leasing(&self.name);
                }
                state.note((&self.name, read.len()));
                read
            });
            let entries = read.await?;
            if !entries.is_empty() || timeout_at(until, self.world.arrived.notified()).await.is_err() {
                return Ok(entries);
            }
        }
    }
}

impl Reading for Reader {
    type Lease = Lease;

    fn name(&self) -> &str {
        &self.name
    }

    async fn lease(&mut self, most: usize, block: Duration) -> Result<Vec<Lease>, Error> {
        let read = self.read(most, block).await;
        let entries = self.noticed(read)?;
        Ok(self.take(entries))
    }

    async fn reclaim(&mut self, most: usize) -> Result<Reclaimed<Lease>, Error> {
        let forbidden = {
            let mut hand = self.hand.lock().unwrap();
            hand.retain(|_, (_, given_back)| given_back.is_none_or(|at| at.elapsed() < LEASE));
            hand.keys().copied().collect()
        };
        let idle = self.reached.is_some_and(|since| since.elapsed() >= LEASE).then_some(LEASE);
        let claimed = call(&self.world, |state| state.stream.reclaim(&self.name, most, idle, &forbidden)).await;
        let entries = self.noticed(claimed)?;
        Ok(Reclaimed { leases: self.take(entries), vanished: Vec::new() })
    }

    async fn promote(&mut self) -> Result<u64, Error> {
        let promoted = call(&self.world, |state| {
            let promoted = state.stream.promote();
            if promoted > 0 {
                self.world.arrived.notify_waiters();
            }
            promoted
        });
        let promoted = promoted.await;
        self.noticed(promoted)
    }

    async fn leave(self) -> Result<(), Error> {
        call(&self.world, |_| ()).await
    }
}
