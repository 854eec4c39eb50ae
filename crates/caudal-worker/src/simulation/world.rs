//! Everything the workers share, and what must hold of it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::invoice::Invoice;
use super::scripts::{Dead, Stream};

/// Batch and position.
pub(super) type Place = (Uuid, u32);
/// Workers have noticed by then that PostgreSQL is away: a look, a read, and their latencies.
const NOTICED: Duration = Duration::from_secs(5);

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
    calm: bool,
    pub(super) stream: Stream,
    /// Each invoice that was accepted, with its version and whether its chunk is damaged.
    pub(super) accepted: BTreeMap<Place, (Invoice, i64, bool)>,
    /// What stands: version, batch and amount.
    ledger: BTreeMap<u8, (i64, Uuid, i32)>,
    balance: i64,
    failures: BTreeMap<Place, u32>,
    naps: BTreeMap<Place, u8>,
    deaths_alone: BTreeMap<Place, u32>,
    redis_back: Instant,
    postgresql_away: Option<(Instant, Instant)>,
    /// When a worker went on last that had been stopped.
    thawed: Instant,
    born: Instant,
    history: DefaultHasher,
    violations: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let state = State {
            random: fastrand::Rng::with_seed(seed),
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
            born: Instant::now(),
            history: DefaultHasher::new(),
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

    pub(super) fn take_redis_away(&self, time: Duration) {
        self.lock().redis_back = Instant::now() + time;
    }

    pub(super) fn redis_is_away(&self) -> bool {
        Instant::now() < self.lock().redis_back
    }

    pub(super) fn take_postgresql_away(&self, time: Duration) {
        self.lock().postgresql_away = Some((Instant::now(), Instant::now() + time));
    }

    pub(super) fn postgresql_is_away(&self) -> bool {
        self.lock().postgresql_away.is_some_and(|(_, back)| Instant::now() < back)
    }

    /// From now on only invoices go wrong.
    pub(super) fn calm_down(&self) {
        let mut state = self.lock();
        state.calm = true;
        state.redis_back = Instant::now();
        state.postgresql_away = None;
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
            let damaged = super::invoice::decode(payload).is_none();
            state.accepted.insert((batch, position), (*invoice, version + i64::from(position), damaged));
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

    pub(super) fn killed(&self, place: Place, alone: bool) {
        let mut state = self.lock();
        state.note(("killed", place));
        *state.deaths_alone.entry(place).or_default() += u32::from(alone);
    }

    pub(super) fn thawed(&self) {
        self.lock().thawed = Instant::now();
    }

    pub(super) fn violation(&self, what: String) {
        self.lock().violations.push(what);
    }

    pub(super) fn is_done(&self) -> bool {
        self.lock().stream.backlog() == 0
    }

    /// What was wrong, if anything.
    pub(super) fn wrong(&self) -> Option<String> {
        self.lock().violations.first().cloned()
    }

    /// A digest of all that happened.
    pub(super) fn history(&self) -> u64 {
        self.lock().history.finish()
    }

    /// What must hold at the end.
    pub(super) fn check_all(&self) {
        let mut state = self.lock();
        let wrong: Vec<String> =
            [state.unfinished(), state.wrong_ledger(), state.wrong_fates()].into_iter().flatten().collect();
        state.violations.extend(wrong);
    }
}

impl State {
    pub(super) fn note(&mut self, event: impl Hash + Debug) {
        (self.born.elapsed(), &event).hash(&mut self.history);
    }

    /// Called when leases are handed out.
    pub(super) fn check_leasing(&mut self, consumer: &str) {
        let away = self.postgresql_away.is_some_and(|(since, back)| Instant::now() < back && since.elapsed() > NOTICED);
        // Who was stopped cannot know yet.
        if away && self.thawed.elapsed() > NOTICED {
            self.violations.push(format!("{consumer} leased while PostgreSQL was away"));
        }
    }

    /// Called for each invoice that is counted as recorded or unchanged: its commit must have been.
    pub(super) fn check_counted(&mut self, place: Place) {
        let Some(&(invoice, version, damaged)) = self.accepted.get(&place) else {
            self.violations.push(format!("{place:?} was settled and never sent"));
            return;
        };
        let stands = self.ledger.get(&invoice.key).is_some_and(|(standing, ..)| *standing >= version);
        if !stands || damaged || invoice.nature.fate().is_some() {
            self.violations.push(format!("{place:?}, {invoice:?}, was finished before its commit"));
        }
    }

    /// Called for each retry: only failures count.
    pub(super) fn check_retried(&mut self, place: Place, attempts: u32) {
        let failures = self.failures.get(&place).copied().unwrap_or_default();
        if attempts > failures {
            self.violations.push(format!("{place:?} has {attempts} attempts and failed {failures} times"));
        }
    }

    /// Called for each dead letter.
    pub(super) fn check_buried(&mut self, dead: &Dead) {
        for position in dead.position..dead.position + dead.count {
            let place = (dead.batch, position);
            let Some(&(invoice, _, damaged)) = self.accepted.get(&place) else { continue };
            let fate = if damaged { Some("damaged") } else { invoice.nature.fate() };
            if fate != Some(dead.code.as_str()) {
                self.violations.push(format!("{place:?}, {invoice:?}, was buried as {}", dead.code));
            }
            let alone = self.deaths_alone.get(&place).copied().unwrap_or_default();
            if dead.code == "kills_its_worker" && alone < 5 {
                self.violations.push(format!("{place:?} was buried after {alone} deaths alone"));
            }
            let failures = self.failures.get(&place).copied().unwrap_or_default();
            if dead.code == "attempts_exhausted" && failures < 10 {
                self.violations.push(format!("{place:?} was buried after {failures} failures"));
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
        for (invoice, version, damaged) in self.accepted.values() {
            let stands = newest.entry(invoice.key).or_default();
            if !damaged && invoice.nature.fate().is_none() && *version > stands.0 {
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
        let mut expected: Vec<Place> = Vec::new();
        for (place, (invoice, _, damaged)) in &self.accepted {
            if *damaged || invoice.nature.fate().is_some() {
                expected.push(*place);
            }
        }
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
