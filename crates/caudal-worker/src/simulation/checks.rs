//! What must hold, at every step and at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use caudal_queue::LEASE;
use tokio::time::Instant;

use super::invoice;
use super::scripts::{Dead, Stream};
use super::world::{Accepted, Health, Place, State, World};

/// Workers have noticed by then that PostgreSQL is away: a look, a read, and their latencies.
const NOTICED: Duration = Duration::from_secs(5);
/// A worker told to end must have ended by then: its grace, and what Redis takes to answer.
const ENDED: Duration = Duration::from_secs(25);
/// What a worker leaves undone is done by another within this time.
const PROMISED: Duration = Duration::from_secs(30);
/// An invoice is buried when so many workers died of it alone.
const DEADLY: u32 = 5;
/// An invoice is buried at this attempt, if it fails again.
const LAST_ATTEMPT: u32 = 10;

impl World {
    /// What must hold while there is a worker that could do everything: nothing waits for long.
    pub(super) fn check_waiting(&self) {
        let mut state = self.lock();
        let served = state.workers.values().any(|one| one.asked.is_none() && one.fit.elapsed() > PROMISED);
        if !served || state.trouble.elapsed() <= PROMISED {
            return;
        }
        let calm = state.calm;
        let readable = |payload: &[u8]| calm || !invoice::is_newer(payload);
        let waiting = state.stream.waiting(PROMISED).find(|entry| readable(&entry.payload));
        if let Some(wrong) = waiting.map(|entry| format!("{entry:?} has waited for {:?}", entry.since.elapsed())) {
            state.violate(wrong);
        }
    }

    /// What must hold at the end.
    pub(super) fn check_all(&self) {
        let mut state = self.lock();
        let wrong = [state.unfinished(), state.wrong_ledger(), state.wrong_fates()];
        wrong.into_iter().flatten().for_each(|wrong| state.violate(wrong));
    }
}

impl State {
    /// Called when leases are handed out.
    pub(super) fn check_leasing(&mut self, consumer: &str) {
        let away = self.postgresql_away.is_some_and(|(since, back)| Instant::now() < back && since.elapsed() > NOTICED);
        // Who was stopped, or had to wait for Redis, cannot know yet.
        let awake = self.workers.get(consumer).is_some_and(|worker| worker.well.elapsed() > NOTICED);
        if away && awake && !self.disturbed && self.thawed.elapsed() > NOTICED {
            self.violate(format!("{consumer} leased while PostgreSQL was away"));
        }
    }

    /// Makes a change that says whether it has changed anything, which only who holds the entry may.
    pub(super) fn change<T: PartialEq + Default>(
        &mut self,
        consumer: &str,
        id: u64,
        change: impl FnOnce(&mut Stream) -> T,
    ) -> T {
        let holder = self.stream.holder(id).map(str::to_owned);
        let changed = change(&mut self.stream);
        if changed != T::default() && holder.as_deref() != Some(consumer) {
            self.violate(format!("{consumer} has changed {id}, which {holder:?} holds"));
        }
        changed
    }

    /// Called when leases were taken over: those of a living worker are not, unless it could not renew them.
    pub(super) fn check_taken_over(&mut self) {
        for owner in std::mem::take(&mut self.stream.overdue) {
            let well = self.workers.get(&owner).is_some_and(|health| health.well.elapsed() >= LEASE);
            if well && self.redis_back.elapsed() >= LEASE {
                self.violate(format!("{owner} lives and has lost its lease"));
            }
        }
        for owner in std::mem::take(&mut self.stream.bereaved) {
            let well = self.workers.get(&owner).is_some_and(|health| health.well.elapsed() >= LEASE);
            if well && self.redis_back.elapsed() >= LEASE {
                self.violate(format!("{owner} lives and is counted as dead"));
            }
        }
    }

    /// Called when a worker has ended as it was told to: in time, and nothing is left in its hands.
    pub(super) fn check_ended(&mut self, worker: &str, health: Health) {
        let late = health.asked.is_none_or(|asked| asked.max(health.well).elapsed() > ENDED);
        if late {
            self.violate(format!("{worker} took too long to end: {:?}", health.asked.map(|at| at.elapsed())));
        }
        let held = self.stream.held_by(worker);
        if held > 0 {
            self.violate(format!("{worker} ended and gave {held} chunks back to nobody"));
        }
    }

    /// Called for each invoice that is counted as recorded or unchanged: its commit must have been.
    pub(super) fn check_counted(&mut self, place: Place) {
        let Some(&Accepted { invoice, version, fate }) = self.accepted.get(&place) else {
            self.violate(format!("{place:?} was settled and never sent"));
            return;
        };
        let stands = self.ledger.get(&invoice.key).is_some_and(|(standing, ..)| *standing >= version);
        if !stands || fate.is_some() {
            self.violate(format!("{place:?}, {invoice:?}, was finished before its commit"));
        }
    }

    /// Called for each retry: only failures count.
    pub(super) fn check_retried(&mut self, place: Place, attempts: u32) {
        let failures = self.failures.get(&place).copied().unwrap_or_default();
        if attempts > failures || attempts >= LAST_ATTEMPT {
            self.violate(format!("{place:?} is tried again after {attempts} attempts and {failures} failures"));
        }
    }

    /// Called for each dead letter.
    pub(super) fn check_buried(&mut self, dead: &Dead) {
        for position in dead.position..dead.position + dead.count {
            let place = (dead.batch, position);
            let Some(&Accepted { invoice, fate, .. }) = self.accepted.get(&place) else { continue };
            if fate != Some(dead.code.as_str()) {
                self.violate(format!("{place:?}, {invoice:?}, was buried as {}", dead.code));
            }
            let alone = self.deaths_alone.get(&place).copied().unwrap_or_default();
            // A try is counted before it is made: one whose count was not confirmed may count for a death.
            if dead.code == "kills_its_worker" && alone + 1 < DEADLY {
                self.violate(format!("{place:?} was buried after {alone} deaths alone"));
            }
            let failures = self.failures.get(&place).copied().unwrap_or_default();
            if dead.code == "attempts_exhausted" && failures < LAST_ATTEMPT {
                self.violate(format!("{place:?} was buried after {failures} failures"));
            }
        }
    }

    fn unfinished(&self) -> Option<String> {
        let left = self.stream.left();
        (!left.is_empty()).then(|| format!("not done: {left}"))
    }

    /// Of each invoice its newest version that is not buried stands, and the balance is their sum.
    fn wrong_ledger(&self) -> Option<String> {
        let mut newest: BTreeMap<u8, (i64, i32)> = BTreeMap::new();
        for Accepted { invoice, version, fate } in self.accepted.values() {
            let stands = newest.entry(invoice.key).or_default();
            if fate.is_none() && *version > stands.0 {
                *stands = (*version, invoice.amount);
            }
        }
        newest.retain(|_, (version, _)| *version > 0);
        let found: BTreeMap<_, _> =
            self.ledger.iter().map(|(key, (version, _, amount))| (*key, (*version, *amount))).collect();
        let sum: i64 = newest.values().map(|(_, amount)| i64::from(*amount)).sum();
        (found != newest || sum != self.balance)
            .then(|| format!("the ledger holds {found:?}, {}, and should {newest:?}", self.balance))
    }

    /// What must be buried is, once, and its batch says so.
    fn wrong_fates(&self) -> Option<String> {
        let doomed = self.accepted.iter().filter(|(_, accepted)| accepted.fate.is_some());
        let expected: Vec<Place> = doomed.map(|(place, _)| *place).collect();
        let mut found: Vec<Place> = Vec::new();
        for Dead { batch, position, count, .. } in self.stream.dead() {
            found.extend((*position..position + count).map(|position| (*batch, position)));
        }
        found.sort_unstable();
        if found != expected {
            return Some(format!("buried are {} invoices, and should be {}", found.len(), expected.len()));
        }
        self.stream.wrong_status()
    }
}
