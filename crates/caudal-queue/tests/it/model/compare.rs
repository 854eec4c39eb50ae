//! The queue is as the model is: compared after every step.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    raw,
    state::{Batch, Letter, Model, Piece, Retry},
    system::{System, caller, id, name},
};
use caudal_queue::{Backlog, Rejection};
use futures_util::future::join_all;

const DAY: i64 = 24 * 60 * 60;
/// How long a case may take.
const MINUTE: i64 = 60;

impl System {
    pub(crate) async fn compare(&self, model: &Model) {
        assert_eq!(raw::stream(self).await, raw::expected_stream(self, model), "the stream");
        self.compare_pending(model).await;
        self.compare_retries(model).await;
        self.compare_dead(model).await;
        self.compare_backlog(model).await;
        self.compare_statuses(model).await;
        self.compare_keys(model).await;
        self.count_invoices(model).await;
    }

    async fn compare_pending(&self, model: &Model) {
        if model.group {
            let seen: Vec<(String, String, u64, u32)> =
                self.ask(&["XPENDING", &raw::key("stream"), "workers", "-", "+", "100000"]).await;
            let seen: Vec<_> = seen.into_iter().map(|(_, owner, _, deliveries)| (owner, deliveries)).collect();
            let pending = model.stream.iter().filter_map(|entry| entry.pending);
            let owner = |who: Option<u32>| who.map_or_else(|| "released".to_owned(), name);
            let expected: Vec<_> = pending.map(|pending| (owner(pending.owner), pending.deliveries)).collect();
            assert_eq!(seen, expected, "who has what, and how often it was delivered");
        }
        let ids = raw::ids(self).await;
        let tries = ids.iter().zip(&model.stream);
        let expected: BTreeMap<String, u32> =
            tries.filter_map(|(id, entry)| Some((id.clone(), *model.deaths.get(&entry.number)?))).collect();
        assert_eq!(self.ask::<BTreeMap<String, u32>>(&["HGETALL", &raw::key("deaths")]).await, expected, "tries");
    }

    async fn compare_retries(&self, model: &Model) {
        let seen: Vec<_> = raw::retry(self).await.iter().map(|(entry, _)| raw::bytes(entry)).collect();
        let (due, later): (Vec<&Retry>, Vec<_>) = model.retry.iter().partition(|retry| retry.due);
        let expected =
            due.iter().chain(&later).map(|retry| raw::expected(self, retry.piece, retry.attempts, retry.suspect));
        assert_eq!(seen, expected.collect::<Vec<_>>(), "what is to be retried");
    }

    async fn compare_dead(&self, model: &Model) {
        let letters = self.queue.dead_letters(None, 10_000).await.unwrap();
        let seen: Vec<_> = letters
            .into_iter()
            .map(|letter| {
                (letter.batch, letter.position, letter.count, letter.version, letter.attempts, letter.payload)
            })
            .collect();
        let version = |Piece { batch, position, .. }: Piece| match batch {
            Some(batch) => self.versions[&batch] + i64::from(position),
            None => 0,
        };
        let expected = |Letter { piece, attempts }: &Letter| {
            let batch = piece.batch.map_or(uuid::Uuid::nil(), id);
            (batch, piece.position, piece.count, version(*piece), *attempts, piece.payload())
        };
        assert_eq!(seen, model.dead.iter().map(expected).collect::<Vec<_>>(), "dead letters");
    }

    async fn compare_backlog(&self, model: &Model) {
        let seen = self.queue.backlog().await.unwrap();
        let owners = model.stream.iter().filter_map(|entry| entry.pending?.owner);
        let busy: BTreeSet<_> = owners.clone().collect();
        let later = model.retry.iter().filter(|retry| !retry.due).count();
        let expected = Backlog {
            invoices: model.backlog(),
            waiting_chunks: (model.stream.len() - owners.clone().count()) as u64,
            in_flight_chunks: owners.count() as u64,
            busy_consumers: busy.len() as u64,
            dead: model.dead.len() as u64,
            retry_invoices: later as u64,
            paused: model.paused,
            settled: model.settled,
            ..seen
        };
        assert_eq!(seen, expected);
        assert_eq!((seen.next_due.is_some(), seen.oldest.is_some()), (later > 0, !model.stream.is_empty()));
        let check = self.queue.check(false).await.unwrap();
        assert_eq!(
            (check.stated, check.counted, check.exact),
            (Some(model.backlog()), model.backlog(), true),
            "a recount"
        );
    }

    async fn compare_statuses(&self, model: &Model) {
        let seen = join_all((0..model.batches.len()).map(|batch| self.queue.status(id(batch)))).await;
        for ((at, batch), seen) in model.batches.iter().enumerate().zip(seen) {
            let Some(expected) = &batch.status else {
                assert_eq!(seen.unwrap(), None, "the status of a batch that was refused");
                continue;
            };
            let seen = seen.unwrap().unwrap();
            let counts = (seen.received, seen.recorded, seen.unchanged, seen.rejected);
            let (received, rejected) = (batch.count(), expected.rejections());
            assert_eq!(counts, (received, expected.recorded, expected.unchanged, rejected), "the status of batch {at}");
            assert_eq!(seen.finished_at.is_some(), finished(batch), "whether batch {at} is finished");
            assert_eq!(seen.caller, caller(model, at));
            let listed: Vec<_> = seen.rejections.iter().map(|Rejection { position, .. }| *position).collect();
            let lines = expected.rejected.iter();
            let expected: Vec<_> = lines.flat_map(|(position, count)| *position..position + count).collect();
            assert_eq!(listed, expected, "the rejected of batch {at}");
        }
    }

    /// Every key is known, and has the TTL it should have; none is missing.
    async fn compare_keys(&self, model: &Model) {
        let expected = self.expected_keys(model);
        let mut keys: BTreeSet<Vec<u8>> = self.ask::<Vec<Vec<u8>>>(&["KEYS", "*"]).await.into_iter().collect();
        let mut looks = redis::pipe();
        for key in &keys {
            looks.cmd("TTL").arg(key);
        }
        let ttls: Vec<i64> =
            if keys.is_empty() { Vec::new() } else { looks.query_async(&mut self.client.shared()).await.unwrap() };
        for (key, ttl) in keys.iter().zip(ttls) {
            let shown = key.escape_ascii();
            match expected.get(key) {
                Some(Some(full)) => assert!((full - MINUTE..=*full).contains(&ttl), "{shown} goes in {ttl} s"),
                Some(None) => assert_eq!(ttl, -1, "{shown} goes"),
                None => assert!(Self::may_be(key, ttl), "{shown} is there, for {ttl} s"),
            }
        }
        keys.extend(expected.keys().filter(|key| !keys.contains(*key)).cloned().collect::<Vec<_>>());
        let count: usize = self.ask(&["DBSIZE"]).await;
        assert_eq!(keys.len(), count, "keys are missing");
    }

    /// Keys that must be there, and the seconds they are kept from the moment they were last set.
    fn expected_keys(&self, model: &Model) -> BTreeMap<Vec<u8>, Option<i64>> {
        let mut expected = BTreeMap::new();
        let kept = |there: bool, kind| there.then(|| (raw::key(kind).into_bytes(), None));
        expected.extend(kept(!model.stream.is_empty() || model.group, "stream"));
        expected.extend(kept(!model.retry.is_empty(), "retry"));
        expected.extend(kept(!model.dead.is_empty(), "dead"));
        expected.extend(kept(model.paused, "paused"));
        if !model.deaths.is_empty() {
            expected.insert(raw::key("deaths").into_bytes(), Some(DAY));
        }
        for (at, batch) in model.batches.iter().enumerate() {
            let Some(status) = &batch.status else { continue };
            let ttl = finished(batch).then_some(DAY);
            expected.insert(raw::binary("lote", id(at).as_bytes()), ttl);
            if !status.rejected.is_empty() {
                expected.insert(raw::binary("rejected", id(at).as_bytes()), ttl);
            }
            let digest = caudal_queue::key_digest(caller(model, at), &[batch.key.1]);
            expected.insert(raw::binary("idem", &digest[..16]), Some(DAY));
        }
        expected
    }

    /// Keys that outlive what was in them, each of them one and bounded.
    fn may_be(key: &[u8], ttl: i64) -> bool {
        let lasting = ["stream", "backlog", "settled", "version", "dead"];
        let is = |kind: &&str| raw::key(kind).as_bytes() == key;
        lasting.iter().any(is) || is(&"workers") && ttl > 0
    }

    /// Every invoice that was taken in is in exactly one place: waiting or in flight, to be retried, dead, or settled.
    async fn count_invoices(&self, model: &Model) {
        let mut places = raw::stream(self).await;
        places.extend(raw::retry(self).await.iter().map(|(entry, _)| raw::bytes(entry)));
        let dead = self.queue.dead_letters(None, 10_000).await.unwrap().into_iter();
        let dead = dead.filter(|letter| letter.count > 0).map(|letter| letter.payload);
        let dead: Vec<_> = dead.map(|payload| String::from_utf8(payload).unwrap()).collect();
        let texts = places.iter().map(|bytes| &bytes.payload).chain(&dead);
        let names: Vec<&str> =
            texts.flat_map(|text| text.split_terminator(';')).filter(|name| name.contains('/')).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "an invoice is in two places");
        let accepted = model.batches.iter().filter_map(|batch| Some((batch.count(), batch.status.as_ref()?)));
        let open: u64 = accepted.map(|(count, status)| count - status.recorded - status.unchanged).sum();
        assert_eq!(names.len() as u64 + model.dropped, open, "invoices");
    }
}

fn finished(batch: &Batch) -> bool {
    batch.status.as_ref().is_some_and(|status| status.settled() >= batch.count())
}
