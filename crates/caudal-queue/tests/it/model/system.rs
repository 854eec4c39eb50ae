//! The queue itself, with workers' memories, and each step on it.

use std::{collections::BTreeMap, time::Duration};

use caudal_queue::{
    Admission, Batch, Chunk, Consumer, Lease, Queue, Rejected, Retried, Settled, Settlement, key_digest,
};
use caudal_redis::{Client, Options};
use caudal_testkit::Redis;
use futures_util::future::join_all;
use redis::{Value, cmd};
use uuid::Uuid;

use super::{
    act::parts,
    answer::{Admitted, Answer},
    raw,
    state::{FOREIGN, Handle, Kind, Model, NEWER, Who},
    step::{Fate, Fates, Step},
};

/// So long that it passes only where a step lets it pass.
const LEASE: Duration = Duration::from_secs(3_600);
const LATER: Duration = Duration::from_secs(3_600);
const BLOCK: Duration = Duration::from_millis(1);

pub(crate) struct System {
    pub(crate) client: Client,
    pub(crate) queue: Queue,
    consumers: Vec<Consumer>,
    /// By the serial numbers of their handles.
    leases: BTreeMap<u32, Lease>,
    /// The version of each batch's first invoice.
    pub(crate) versions: BTreeMap<usize, i64>,
}

impl System {
    pub(crate) async fn start(redis: &Redis, model: &Model) -> Self {
        let client = Client::new(&Options { redis_url: redis.url().into() }).unwrap();
        let queue = Queue::new(&client, &caudal_queue::Options { queue: "facturas".parse().unwrap() });
        let queue = queue.with_lease(LEASE);
        let consumers = model.workers.iter().map(|who| queue.consumer(&name(*who))).collect();
        let system = Self { client, queue, consumers, leases: BTreeMap::new(), versions: BTreeMap::new() };
        // How safely Redis keeps things is not looked at here.
        let _: () = system.ask(&["CONFIG", "SET", "appendonly", "no"]).await;
        let _: () = system.ask(&["FLUSHALL"]).await;
        if model.clock_behind {
            let ahead = system.micros().await + 3_600_000_000;
            let _: () = system.ask(&["SET", &raw::key("version"), &ahead.to_string()]).await;
        }
        system
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let (name, arguments) = words.split_first().unwrap();
        cmd(name).arg(arguments).query_async(&mut self.client.shared()).await.unwrap()
    }

    /// Redis' time.
    async fn micros(&self) -> i64 {
        let (seconds, micros): (i64, i64) = self.ask(&["TIME"]).await;
        seconds * 1_000_000 + micros
    }

    /// Takes the step, and compares its answer with the model's, which has taken it before.
    pub(crate) async fn take(&mut self, step: &Step, model: &Model) {
        match step {
            Step::Admit { most, .. } => self.admit(*most, model).await,
            Step::Lease { worker, most } => {
                let leases = self.consumers[*worker].lease(*most, BLOCK).await.unwrap();
                self.took(leases, model);
            }
            Step::Promote { worker } => {
                number(self.consumers[*worker].promote().await.unwrap(), model);
            }
            Step::Reclaim { worker, most } => self.reclaim(*worker, *most, model).await,
            Step::Renew { worker } => self.renew(*worker, model).await,
            Step::Settle { ends, twice } => self.settle(ends, *twice, model).await,
            Step::Release { .. } => self.release(model).await,
            Step::Split { halves, .. } => self.split(*halves, model).await,
            Step::Mark { pick } => self.mark(*pick, model).await,
            Step::Drop { .. } => self.forget(&model.answer),
            Step::Die { worker } => self.replace(*worker, false, model).await,
            Step::Leave { worker } => self.replace(*worker, true, model).await,
            Step::LeaseTime { .. } => pass(LEASE).await,
            Step::Due => {}
            Step::Pause => self.queue.pause().await.unwrap(),
            Step::Resume => self.queue.resume().await.unwrap(),
            Step::RetryDead { picks } => self.letters(picks, true, model).await,
            Step::DropDead { picks } => self.letters(picks, false, model).await,
            Step::Intrude { newer } => {
                let content = if *newer { NEWER } else { FOREIGN };
                let _: String = self.ask(&["XADD", &raw::key("stream"), "*", "e", content]).await;
            }
            Step::FlushScripts => self.ask(&["SCRIPT", "FLUSH"]).await,
            Step::DestroyGroup => {
                let _: u8 = self.ask(&["XGROUP", "DESTROY", &raw::key("stream"), "workers"]).await;
            }
            Step::Tidy => drop(self.queue.clone().with_lease(Duration::ZERO).tidy().await.unwrap()),
            Step::Repair { off } => self.repair(*off, model).await,
        }
        self.set_clocks(step, model).await;
    }

    /// What has to do with time comes to be as the model has it.
    async fn set_clocks(&self, step: &Step, model: &Model) {
        let mut order = redis::pipe();
        match step {
            Step::Settle { .. } | Step::Due => raw::order_retries(self, model, &mut order).await,
            Step::LeaseTime { .. } => raw::age_leases(self, model, &mut order).await,
            _ => {}
        }
        if !order.is_empty() {
            let _: Vec<Value> = order.query_async(&mut self.client.shared()).await.unwrap();
        }
    }

    async fn repair(&self, off: u64, model: &Model) {
        let _: i64 = self.ask(&["INCRBY", &raw::key("backlog"), &off.to_string()]).await;
        let check = self.queue.check(true).await.unwrap();
        assert_eq!(model.answer, Answer::Stated(check.stated.unwrap()));
        let newer = model.stream.iter().filter(|entry| entry.kind == Kind::Newer).count() as u64;
        assert_eq!((check.counted, check.newer, check.exact), (model.backlog(), newer, true));
        if newer > 0 {
            // Nothing was repaired.
            let _: i64 = self.ask(&["DECRBY", &raw::key("backlog"), &off.to_string()]).await;
        }
    }

    async fn admit(&mut self, most: u64, model: &Model) {
        let Answer::Admitted(expected) = &model.answer else { panic!("{:?}", model.answer) };
        let known = self.versions.len();
        let last: i64 = self.ask::<Option<i64>>(&["GET", &raw::key("version")]).await.unwrap_or_default();
        let before = self.micros().await;
        let batches: Vec<Batch> = model.asked.iter().map(|at| batch(*at, model)).collect();
        let answers = join_all(batches.iter().map(|batch| self.queue.admit(batch, most))).await;
        for (answer, expected) in answers.into_iter().zip(expected) {
            assert_eq!(answer.unwrap(), admission(expected, model));
        }
        let after = self.micros().await;
        let entries = raw::stream(self).await;
        let mut least = last + 1;
        for expected in expected {
            let Admitted::Accepted { batch } = expected else { continue };
            let count = model.batches[*batch].count() as i64;
            if count == 0 || self.versions.contains_key(batch) {
                continue;
            }
            let entry = entries.iter().find(|entry| entry.batch == id(*batch)).unwrap();
            assert!((least.max(before)..=least.max(after)).contains(&entry.first_version), "version of batch {batch}");
            self.versions.insert(*batch, entry.first_version);
            least = entry.first_version + count;
        }
        if self.versions.len() > known {
            assert_eq!(self.ask::<i64>(&["GET", &raw::key("version")]).await, least - 1, "the version that is kept");
        }
    }

    fn took(&mut self, leases: Vec<Lease>, model: &Model) {
        let Answer::Leases(serials) = &model.answer else { panic!("{:?}", model.answer) };
        let seen: Vec<_> = leases.iter().map(|lease| (lease.batch, lease.position, lease.deliveries)).collect();
        let handles: Vec<_> = serials.iter().map(|serial| model.handle(*serial)).collect();
        let expected: Vec<_> = handles.iter().map(|handle| self.expected(handle)).collect();
        assert_eq!(seen, expected, "leases");
        for (handle, lease) in handles.into_iter().zip(leases) {
            let piece = handle.entry.piece;
            assert_eq!(String::from_utf8_lossy(&lease.payload), String::from_utf8_lossy(&piece.payload()));
            let version = piece.batch.map_or(0, |batch| self.versions[&batch] + i64::from(piece.position));
            assert_eq!((lease.version, lease.count), (version, piece.count), "version and count of a lease");
            assert_eq!((lease.attempts, lease.suspect), (handle.entry.attempts, handle.entry.suspect));
            assert_eq!(lease.traceparent, piece.batch.and_then(traceparent));
            self.leases.insert(handle.serial, lease);
        }
    }

    fn expected(&self, handle: &Handle) -> (Uuid, u32, u32) {
        let deliveries = handle.entry.pending.map_or(0, |pending| pending.deliveries);
        (handle.entry.piece.batch.map_or(Uuid::nil(), id), handle.entry.piece.position, deliveries)
    }

    async fn reclaim(&mut self, worker: usize, most: usize, model: &Model) {
        let reclaimed = self.consumers[worker].reclaim(most).await.unwrap();
        assert_eq!(reclaimed.vanished.len(), 0);
        self.took(reclaimed.leases, model);
    }

    async fn renew(&mut self, worker: usize, model: &Model) {
        let Answer::Lost(lost) = &model.answer else { panic!("{:?}", model.answer) };
        let who = model.workers[worker];
        let leases: Vec<_> = self.leases.iter().filter(|(serial, _)| model.handle(**serial).who == who).collect();
        let all: Vec<&Lease> = leases.iter().map(|(_, lease)| *lease).collect();
        let mut gone: Vec<_> = self.queue.renew(&all).await.unwrap().iter().map(|lease| lease.id).collect();
        let lost = leases.iter().filter(|(serial, _)| lost.contains(serial));
        let mut expected: Vec<_> = lost.map(|(_, lease)| lease.id).collect();
        gone.sort();
        expected.sort();
        assert_eq!(gone, expected, "leases that renewing finds lost");
    }

    async fn settle(&mut self, ends: &[(u8, Fates)], twice: bool, model: &Model) {
        let Answer::Settled(expected) = &model.answer else { panic!("{:?}", model.answer) };
        let meant = model.meant.iter().zip(ends);
        let settlements: Vec<_> = meant.map(|(handle, (_, fates))| settlement(handle, fates)).collect();
        let leases = model.meant.iter().map(|handle| &self.leases[&handle.serial]);
        let ends: Vec<_> = leases.zip(&settlements).collect();
        let answers = self.queue.settle(&ends).await.unwrap();
        for (handle, answer) in model.meant.iter().zip(&answers) {
            let done = expected.iter().find(|(serial, _)| *serial == handle.serial).unwrap().1;
            assert_eq!(*answer, Settled::from(done), "settling {handle:?}");
        }
        assert_eq!(answers.len(), expected.len());
        if twice {
            let again = self.queue.settle(&ends).await.unwrap();
            assert!(again.iter().all(|answer| *answer == Settled::Lost), "settled a second time");
        }
        expected.iter().for_each(|(serial, _)| drop(self.leases.remove(serial)));
    }

    async fn release(&mut self, model: &Model) {
        let Answer::Lost(serials) = &model.answer else { panic!("{:?}", model.answer) };
        let leases: Vec<_> = serials.iter().map(|serial| &self.leases[serial]).collect();
        self.queue.release(&leases).await.unwrap();
        self.forget(&model.answer);
    }

    async fn split(&mut self, halves: bool, model: &Model) {
        let Answer::Settled(expected) = &model.answer else { return };
        for (serial, done) in expected {
            let lease = self.leases.remove(serial).unwrap();
            let piece = model.meant[0].entry.piece;
            let parts = parts(piece, halves).into_iter();
            let parts: Vec<_> = parts.map(|part| Chunk { payload: part.payload(), count: part.count }).collect();
            let answer = self.queue.split(&lease, &parts).await.unwrap();
            assert_eq!(answer, Settled::from(*done), "splitting {piece:?}");
        }
    }

    async fn mark(&mut self, pick: u8, model: &Model) {
        if let Some(handle) = model.picked(&[pick], None).first() {
            number(self.queue.mark(&self.leases[&handle.serial]).await.unwrap().into(), model);
        }
    }

    fn forget(&mut self, answer: &Answer) {
        let Answer::Lost(serials) = answer else { panic!("{answer:?}") };
        serials.iter().for_each(|serial| drop(self.leases.remove(serial)));
    }

    async fn replace(&mut self, worker: usize, politely: bool, model: &Model) {
        self.forget(&model.answer);
        let next = self.queue.consumer(&name(model.workers[worker]));
        let gone = std::mem::replace(&mut self.consumers[worker], next);
        if politely {
            gone.leave().await.unwrap();
        }
    }

    async fn letters(&mut self, picks: &[u8], retry: bool, model: &Model) {
        let ids: Vec<_> = self.queue.dead_letters(None, 10_000).await.unwrap().iter().map(|letter| letter.id).collect();
        let wrapped = picks.iter().filter_map(|pick| usize::from(*pick).checked_rem(ids.len()));
        let meant: Vec<_> = wrapped.map(|at| ids[at]).collect();
        let done = if retry { self.queue.retry_dead(&meant).await } else { self.queue.drop_dead(&meant).await };
        number(done.unwrap(), model);
    }
}

fn number(answer: u64, model: &Model) {
    assert_eq!(model.answer, Answer::Number(answer));
}

/// Lets time pass in this process, at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub(crate) fn name(who: Who) -> String {
    format!("pod/{who:06}")
}

pub(crate) fn id(batch: usize) -> Uuid {
    Uuid::from_u128(batch as u128 + 1)
}

pub(crate) fn caller(model: &Model, batch: usize) -> &'static str {
    ["", "acme & co"][usize::from(model.batches[batch].key.0)]
}

/// Every other batch is sampled.
pub(crate) fn traceparent(batch: usize) -> Option<String> {
    (batch % 2 == 1).then(|| format!("00-{:032x}-{:016x}-01", batch, batch))
}

fn batch(at: usize, model: &Model) -> Batch {
    let came = &model.batches[at];
    let mut position = 0;
    let chunks = came.sizes.iter().map(|&count| {
        let piece = super::state::Piece { batch: Some(at), position, count };
        position += count;
        Chunk { payload: piece.payload(), count }
    });
    Batch {
        id: id(at),
        key: key_digest(caller(model, at), &[came.key.1]),
        fingerprint: [came.content; 32],
        chunks: chunks.collect(),
        traceparent: traceparent(at),
        caller: caller(model, at).to_owned(),
    }
}

fn admission(expected: &Admitted, model: &Model) -> Admission {
    match *expected {
        Admitted::Accepted { batch } => Admission::Accepted { id: id(batch) },
        Admitted::Duplicate { of, same } => {
            Admission::Duplicate { id: Some(id(of)), count: model.batches[of].count(), same }
        }
        Admitted::Full { backlog } => Admission::Full { backlog },
    }
}

fn settlement(handle: &Handle, fates: &Fates) -> Settlement {
    let (piece, attempts) = (handle.entry.piece, handle.entry.attempts + 1);
    let rejected = |piece: super::state::Piece| Rejected {
        position: piece.position,
        count: piece.count,
        number: raw::number(piece),
        code: "refused".to_owned(),
        detail: "for the model's reasons".to_owned(),
        payload: piece.payload(),
    };
    let Some(fates) = fates.of(piece.count) else {
        return Settlement { rejected: vec![rejected(piece)], ..Settlement::default() };
    };
    let mut settlement = Settlement::default();
    for (piece, fate) in (0..).map(|place| piece.one(place)).zip(fates) {
        match (fate, fate.retried()) {
            (_, Some(due)) => settlement.retried.push(Retried {
                position: piece.position,
                payload: piece.payload(),
                attempts,
                delay: if due { Duration::ZERO } else { LATER },
            }),
            (Fate::Unchanged, None) => settlement.unchanged += 1,
            (Fate::Rejected, None) => settlement.rejected.push(rejected(piece)),
            (_, None) => settlement.recorded += 1,
        }
    }
    settlement
}
