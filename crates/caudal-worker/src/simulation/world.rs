//! Everything the workers share: what stands in Redis and PostgreSQL, who is well, and what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::faults::Fault;
use super::invoice::{self, Invoice};
use super::scripts::Stream;

/// Batch and position.
pub(super) type Place = (Uuid, u32);

/// The world. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    /// Something can be leased.
    pub(super) arrived: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct State {
    random: fastrand::Rng,
    wild: bool,
    pub(super) calm: bool,
    pub(super) stream: Stream,
    pub(super) accepted: BTreeMap<Place, Accepted>,
    /// What stands: version, batch and amount.
    pub(super) ledger: BTreeMap<u8, (i64, Uuid, i32)>,
    pub(super) balance: i64,
    pub(super) failures: BTreeMap<Place, u32>,
    naps: BTreeMap<Place, u8>,
    pub(super) deaths_alone: BTreeMap<Place, u32>,
    pub(super) redis_back: Instant,
    pub(super) postgresql_away: Option<(Instant, Instant)>,
    /// When a worker went on last that had been stopped.
    pub(super) thawed: Instant,
    /// The workers that live.
    pub(super) workers: BTreeMap<String, Health>,
    /// When something went wrong last, or came right again, that may keep invoices waiting.
    pub(super) trouble: Instant,
    /// Something goes wrong with the call that has its effect now.
    pub(super) disturbed: bool,
    born: Instant,
    history: DefaultHasher,
    /// What has happened, in words, where somebody will read it.
    tale: Option<Vec<String>>,
    met: BTreeSet<String>,
    violations: Vec<String>,
}

/// An invoice that was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) invoice: Invoice,
    pub(super) version: i64,
    /// The code it must be buried under.
    pub(super) fate: Option<&'static str>,
}

/// How a living worker is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    /// Since when it runs and reaches Redis, as far as it alone is concerned; may be yet to come.
    pub(super) well: Instant,
    /// Since when it reaches PostgreSQL too.
    pub(super) fit: Instant,
    /// When it was told to end.
    pub(super) asked: Option<Instant>,
}

impl World {
    /// A world where one seed in four has faults one by one, and the others many at once.
    pub(super) fn new(seed: u64, told: bool) -> Self {
        let state = State {
            random: fastrand::Rng::with_seed(seed),
            wild: seed % 4 != 3,
            calm: false,
            stream: Stream::default(),
            accepted: BTreeMap::new(),
            ledger: BTreeMap::new(),
            balance: 0,
            failures: BTreeMap::new(),
            naps: BTreeMap::new(),
            deaths_alone: BTreeMap::new(),
            redis_back: Instant::now(),
            postgresql_away: None,
            thawed: Instant::now(),
            workers: BTreeMap::new(),
            trouble: Instant::now(),
            disturbed: false,
            born: Instant::now(),
            history: DefaultHasher::new(),
            tale: told.then(Vec::new),
            met: BTreeSet::new(),
            violations: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), arrived: Arc::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn below(&self, limit: u64) -> u64 {
        self.lock().random.u64(..limit)
    }

    pub(super) fn between(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.lock().random.u64(least..most))
    }

    /// Once in `often` times; never when it is calm.
    pub(super) fn happens(&self, often: u64) -> bool {
        let mut state = self.lock();
        state.random.u64(..often) == 0 && !state.calm
    }

    /// The time it takes to reach Redis, where it takes any.
    pub(super) async fn latency(&self) {
        if self.happens(3) {
            sleep(self.between(1, 4)).await;
        }
    }

    pub(super) fn fork(&self) -> fastrand::Rng {
        self.lock().random.fork()
    }

    pub(super) fn is_wild(&self) -> bool {
        self.lock().wild
    }

    pub(super) fn is_calm(&self) -> bool {
        self.lock().calm
    }

    /// Whether such a fault can be now.
    pub(super) fn allows(&self, fault: Fault) -> bool {
        let state = self.lock();
        !state.calm && (state.wild || matches!(fault, Fault::Unheard | Fault::Unanswered))
    }

    /// Notes that a fault has befallen a call, or a machine.
    pub(super) fn meet(&self, whom: &str, fault: impl Debug) {
        let mut state = self.lock();
        let met = format!("{whom}: {fault:?}");
        state.note(&met);
        state.met.insert(met);
    }

    pub(super) fn met(&self) -> BTreeSet<String> {
        self.lock().met.clone()
    }

    pub(super) fn take_redis_away(&self, time: Duration) {
        let until = Instant::now() + time;
        self.meet("redis", "away");
        self.trouble_until(until);
        self.lock().redis_back = until;
    }

    pub(super) fn redis_is_away(&self) -> bool {
        Instant::now() < self.lock().redis_back
    }

    pub(super) fn take_postgresql_away(&self, time: Duration) {
        let until = Instant::now() + time;
        self.meet("postgresql", "away");
        self.trouble_until(until);
        self.lock().postgresql_away = Some((Instant::now(), until));
    }

    pub(super) fn postgresql_is_away(&self) -> bool {
        self.lock().postgresql_away.is_some_and(|(_, back)| Instant::now() < back)
    }

    pub(super) fn trouble_until(&self, until: Instant) {
        let mut state = self.lock();
        state.trouble = state.trouble.max(until);
    }

    pub(super) fn born(&self, worker: &str) {
        let now = Instant::now();
        let mut state = self.lock();
        state.note(("born", worker));
        state.workers.insert(worker.to_owned(), Health { well: now, fit: now, asked: None });
    }

    /// The worker stands still, or does not reach Redis, for a time. What others hold does not wait for that.
    pub(super) fn ail(&self, worker: &str, until: Instant) {
        self.lame(worker, until);
        if let Some(health) = self.lock().workers.get_mut(worker) {
            health.well = health.well.max(until);
        }
    }

    /// The worker does not reach PostgreSQL for a time.
    pub(super) fn lame(&self, worker: &str, until: Instant) {
        self.trouble_until(Instant::now());
        let mut state = self.lock();
        let since = state.born;
        state.note(("ails", worker, until - since));
        if let Some(health) = state.workers.get_mut(worker) {
            health.fit = health.fit.max(until);
        }
    }

    /// The worker is told to end.
    pub(super) fn ends(&self, worker: &str) {
        self.trouble_until(Instant::now());
        if let Some(health) = self.lock().workers.get_mut(worker) {
            health.asked.get_or_insert_with(Instant::now);
        }
    }

    /// The worker has ended or died.
    pub(super) fn gone(&self, worker: &str, died: bool) {
        self.trouble_until(Instant::now());
        let mut state = self.lock();
        state.note(("gone", worker, died));
        if let Some(health) = state.workers.remove(worker)
            && !died
        {
            state.check_ended(worker, health);
        }
    }

    /// From now on only invoices go wrong.
    pub(super) fn calm_down(&self) {
        let mut state = self.lock();
        state.note("calm");
        state.calm = true;
        state.redis_back = Instant::now();
        state.postgresql_away = None;
        state.trouble = state.trouble.max(Instant::now());
    }

    /// Accepts a batch of these chunks: payloads, and what they hold.
    pub(super) fn admit(&self, chunks: Vec<(Vec<u8>, Vec<Invoice>)>) {
        let mut state = self.lock();
        let batch = Uuid::from_u128(state.random.u128(..));
        let counted = chunks.iter().map(|(payload, invoices)| (payload.clone(), invoices.len() as u32)).collect();
        let version = state.stream.admit(batch, counted);
        for (position, (payload, invoice)) in
            (0..).zip(chunks.iter().flat_map(|(payload, invoices)| invoices.iter().map(move |one| (payload, one))))
        {
            let fate = invoice::fate(payload).or_else(|| invoice.nature.fate());
            let version = version + i64::from(position);
            state.accepted.insert((batch, position), Accepted { invoice: *invoice, version, fate });
        }
        state.note(("admitted", batch));
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Records an invoice as the ledger does. Whether its own content stands.
    pub(super) fn record(&self, batch: Uuid, version: i64, invoice: &Invoice) -> bool {
        let mut state = self.lock();
        state.note(("recorded", batch, version));
        let stands = state.ledger.get(&invoice.key).copied();
        let (own, delta) = match stands {
            Some((standing, by, _)) if standing == version && by == batch => return true,
            Some((standing, ..)) if standing >= version => return false,
            Some((_, _, amount)) => (amount != invoice.amount, i64::from(invoice.amount) - i64::from(amount)),
            None => (true, i64::from(invoice.amount)),
        };
        let by = if own { batch } else { stands.map_or(batch, |(_, by, _)| by) };
        state.ledger.insert(invoice.key, (version, by, invoice.amount));
        state.balance += delta;
        own
    }

    pub(super) fn fails(&self, place: Place, often: u8) -> bool {
        let mut state = self.lock();
        let failures = state.failures.entry(place).or_default();
        let fails = often == u8::MAX || *failures < u32::from(often);
        *failures += u32::from(fails);
        fails
    }

    pub(super) fn sleeps(&self, place: Place, often: u8) -> bool {
        let mut state = self.lock();
        let naps = state.naps.entry(place).or_default();
        let sleeps = *naps < often;
        *naps += u8::from(sleeps);
        sleeps
    }

    /// A worker died of this invoice.
    pub(super) fn killed(&self, place: Place, alone: bool) {
        let mut state = self.lock();
        state.note(("killed", place));
        *state.deaths_alone.entry(place).or_default() += u32::from(alone);
    }

    pub(super) fn thawed(&self) {
        self.trouble_until(Instant::now());
        self.lock().thawed = Instant::now();
    }

    pub(super) fn is_done(&self) -> bool {
        self.lock().stream.backlog() == 0
    }

    /// What was wrong first, if anything, and what had happened before.
    pub(super) fn wrong(&self) -> Option<String> {
        let state = self.lock();
        let tale = state.tale.as_ref().map(|tale| tale.join("\n")).unwrap_or_default();
        state.violations.first().map(|wrong| format!("{tale}\n{wrong}"))
    }

    /// A digest of all that happened.
    pub(super) fn history(&self) -> u64 {
        self.lock().history.finish()
    }
}

impl State {
    pub(super) fn note(&mut self, event: impl Hash + Debug) {
        let at = self.born.elapsed();
        (at, &event).hash(&mut self.history);
        if let Some(tale) = &mut self.tale {
            tale.push(format!("{at:?} {event:?}"));
        }
    }

    pub(super) fn violate(&mut self, what: String) {
        if let Some(tale) = &mut self.tale {
            tale.push(what.clone());
        }
        self.violations.push(what);
    }
}
