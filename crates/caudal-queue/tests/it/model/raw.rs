//! What lies in Redis, read without the queue's own code.

use std::collections::BTreeMap;

use redis::{Pipeline, cmd};
use uuid::Uuid;

use super::{
    state::{Kind, Model, NEWER, Piece},
    system::{System, id, name},
};

/// Later than any step comes to pass, in milliseconds.
const LATE: f64 = 4e12;
const HOUR: f64 = 3.6e6;

/// The name of one of the queue's keys.
pub(crate) fn key(kind: &str) -> String {
    format!("caudal:{{facturas}}:{kind}")
}

/// The name of one that ends in bytes.
pub(crate) fn binary(kind: &str, id: &[u8]) -> Vec<u8> {
    [key(kind).as_bytes(), b":", id].concat()
}

/// The number a dead letter is given.
pub(crate) fn number(piece: Piece) -> String {
    format!("F-{}", piece.position)
}

/// An entry's bytes, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) first_version: i64,
    pub(crate) position: u32,
    pub(crate) count: u32,
    pub(crate) attempts: u32,
    pub(crate) suspect: bool,
    pub(crate) batch: Uuid,
    pub(crate) trace: String,
    pub(crate) payload: String,
}

/// Short or unknown ones have nothing but a payload.
pub(crate) fn bytes(entry: &[u8]) -> Bytes {
    let number = |from: usize, length: usize| {
        entry[from..from + length].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if entry.len() < 37 || entry[0] != 1 {
        let (batch, trace, payload) = (Uuid::nil(), String::new(), text(entry));
        return Bytes { first_version: 0, position: 0, count: 0, attempts: 0, suspect: false, batch, trace, payload };
    }
    let trace = usize::from(entry[20]);
    Bytes {
        first_version: number(1, 8) as i64,
        position: number(9, 4) as u32,
        count: number(13, 4) as u32,
        attempts: number(17, 2) as u32,
        suspect: number(19, 1) == 1,
        batch: Uuid::from_slice(&entry[21..37]).unwrap(),
        trace: text(&entry[37..37 + trace]),
        payload: text(&entry[37 + trace..]),
    }
}

type Fields = Vec<(String, BTreeMap<String, Vec<u8>>)>;

async fn range(system: &System) -> Fields {
    system.ask(&["XRANGE", &key("stream"), "-", "+"]).await
}

/// The ids of the stream's entries.
pub(crate) async fn ids(system: &System) -> Vec<String> {
    range(system).await.into_iter().map(|(id, _)| id).collect()
}

/// The stream's entries. Of a foreign one the field's name and value make the payload.
pub(crate) async fn stream(system: &System) -> Vec<Bytes> {
    let read = |fields: BTreeMap<String, Vec<u8>>| match fields.iter().next() {
        Some((name, entry)) if name == "e" => bytes(entry),
        Some((name, value)) => bytes(&[name.as_bytes(), b"=", value, b"\n"].concat()),
        None => bytes(&[]),
    };
    range(system).await.into_iter().map(|(_, fields)| read(fields)).collect()
}

/// What is to be retried, by the time it is due.
pub(crate) async fn retry(system: &System) -> Vec<(Vec<u8>, f64)> {
    system.ask(&["ZRANGE", &key("retry"), "0", "-1", "WITHSCORES"]).await
}

/// What the model expects of such bytes.
pub(crate) fn expected(system: &System, piece: Piece, attempts: u32, suspect: bool) -> Bytes {
    Bytes {
        first_version: piece.batch.map_or(0, |batch| system.versions[&batch]),
        position: piece.position,
        count: piece.count,
        attempts,
        suspect,
        batch: piece.batch.map_or(Uuid::nil(), id),
        trace: piece.batch.and_then(super::system::traceparent).unwrap_or_default(),
        payload: String::from_utf8(piece.payload()).unwrap(),
    }
}

/// What the model expects of the stream.
pub(crate) fn expected_stream(system: &System, model: &Model) -> Vec<Bytes> {
    let entry = |entry: &super::state::Entry| {
        let payload = match entry.kind {
            Kind::Newer => Some(NEWER.to_owned()),
            Kind::Chunk | Kind::Foreign => None,
        };
        let seen = expected(system, entry.piece, entry.attempts, entry.suspect);
        Bytes { payload: payload.unwrap_or_else(|| seen.payload.clone()), ..seen }
    };
    model.stream.iter().map(entry).collect()
}

/// Those put off are due in the order in which they were put off, whatever the millisecond. New ones are due when they should be.
pub(crate) async fn order_retries(system: &System, model: &Model, order: &mut Pipeline) {
    let (seconds, _): (f64, f64) = system.ask(&["TIME"]).await;
    for (entry, score) in retry(system).await {
        let seen = bytes(&entry);
        let meant = model
            .retry
            .iter()
            .find(|retry| retry.piece.batch.map(id) == Some(seen.batch) && retry.piece.position == seen.position);
        let retry = meant.unwrap_or_else(|| panic!("nobody put off {seen:?}"));
        let put_in_order = if retry.due { f64::from(retry.number) } else { LATE + f64::from(retry.number) };
        if (1e12..3e12).contains(&score) {
            let due = if retry.due { 0.0 } else { HOUR };
            // An hour may have been made to pass since.
            assert!(retry.due || (score - seconds * 1e3 - due).abs() < 6e4, "due at {score}");
        }
        order.add_command(cmd("ZADD").arg(key("retry")).arg("XX").arg(put_in_order).arg(entry).clone());
    }
}

/// Leases have run out as the model says.
pub(crate) async fn age_leases(system: &System, model: &Model, order: &mut Pipeline) {
    for (id, entry) in ids(system).await.into_iter().zip(&model.stream) {
        let Some(pending) = entry.pending else { continue };
        let Some(owner) = pending.owner else { continue };
        let idle = if pending.ran_out { 100_000_000 } else { 0 };
        let claim =
            cmd("XCLAIM").arg(key("stream")).arg(&["workers", &name(owner), "0", &id, "IDLE"]).arg(idle).clone();
        order.add_command(claim.clone().arg("JUSTID").clone());
    }
}
