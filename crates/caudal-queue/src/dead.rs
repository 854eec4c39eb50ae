//! Dead letters: looked at, tried again, dropped.

use chrono::{DateTime, Utc};
use redis::cmd;
use uuid::Uuid;

use crate::{
    EntryId, Error, Queue,
    entry::{Content, Raw, decode},
    lease::received_at,
};

/// How many dead letters there may be before the door is shut.
pub(crate) const MAX_DEAD: u32 = 100_000;
/// How many letters one call of a script deals with.
const LARGEST_CALL: usize = 100;

/// Buried invoices: one, or all of a damaged chunk.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The letter's own id.
    pub id: EntryId,
    /// The batch the invoices came in.
    pub batch: Uuid,
    /// Position of the first in its batch, from 0.
    pub position: u32,
    /// How many invoices; 0 for an entry that no admission wrote.
    pub count: u32,
    /// Version of the first.
    pub version: i64,
    /// The invoice's number, empty where it could not be told.
    pub number: String,
    /// Why, for programs: snake case.
    pub code: String,
    /// Why, for operators: English.
    pub detail: String,
    /// The bytes that can be tried again.
    pub payload: Vec<u8>,
    /// When the batch was admitted.
    pub received_at: DateTime<Utc>,
    /// When it was buried, by Redis' clock.
    pub buried_at: DateTime<Utc>,
    /// How often it was tried in vain, the last time included.
    pub attempts: u32,
}

impl std::fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetter").field("id", &self.id).field("code", &self.code).finish_non_exhaustive()
    }
}

impl Queue {
    /// Up to `limit` dead letters, oldest first, those after the given one.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn dead_letters(&self, after: Option<&EntryId>, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let letters: Vec<Raw> = cmd("XRANGE")
            .arg(&self.keys().dead)
            .arg(start)
            .arg("+")
            .arg("COUNT")
            .arg(limit)
            .query_async(&mut self.connection())
            .await?;
        Ok(letters.into_iter().map(letter).collect())
    }

    /// One dead letter, if it is (still) there.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn dead_letter(&self, id: &EntryId) -> Result<Option<DeadLetter>, Error> {
        Ok(self.letters(&[*id]).await?.pop())
    }

    /// Puts dead letters back into the stream with their versions and no attempts counted, and says how many: those that are
    /// not there (any more) are passed over, so it may be asked again after a lost reply. Their batches are not finished any
    /// more, and list them no longer. Should be called once the cause is mended.
    ///
    /// # Errors
    /// `Unavailable` (some may be back) and `Misconfigured`.
    pub async fn retry_dead(&self, ids: &[EntryId]) -> Result<u64, Error> {
        let keys = self.keys();
        let mut moved = 0;
        for part in ids.chunks(LARGEST_CALL) {
            let letters = self.letters(part).await?;
            let mut call = self.scripts().retry_dead.prepare_invoke();
            call.key(&keys.stream).key(&keys.backlog).key(&keys.dead).key(&keys.shut).arg(MAX_DEAD).arg(&keys.wake);
            for DeadLetter { id, batch, position, count, .. } in &letters {
                call.key(keys.lote(*batch)).key(keys.rejected(*batch)).arg(*id).arg(*position).arg(*count);
            }
            let part: u64 = call.invoke_async(&mut self.connection()).await?;
            moved += part;
        }
        Ok(moved)
    }

    /// Deletes dead letters for good and says how many. Their batches' status still lists them.
    ///
    /// # Errors
    /// `Unavailable` (some may be gone) and `Misconfigured`.
    pub async fn drop_dead(&self, ids: &[EntryId]) -> Result<u64, Error> {
        let mut dropped = 0;
        for part in ids.chunks(LARGEST_CALL) {
            let mut call = self.scripts().drop_dead.prepare_invoke();
            call.key(&self.keys().dead).key(&self.keys().shut).arg(MAX_DEAD);
            for id in part {
                call.arg(*id);
            }
            let part: u64 = call.invoke_async(&mut self.connection()).await?;
            dropped += part;
        }
        Ok(dropped)
    }

    /// The letters of these ids that are there.
    async fn letters(&self, ids: &[EntryId]) -> Result<Vec<DeadLetter>, Error> {
        let mut looks = redis::pipe();
        for id in ids {
            looks.cmd("XRANGE").arg(&self.keys().dead).arg(*id).arg(*id);
        }
        let found: Vec<Vec<Raw>> = looks.query_async(&mut self.connection()).await?;
        Ok(found.into_iter().flatten().map(letter).collect())
    }
}

fn letter((id, fields): Raw) -> DeadLetter {
    let field =
        |name: &[u8]| fields.iter().find(|(field, _)| field == name).map_or(&[][..], |(_, value)| value.as_slice());
    let text = |name| String::from_utf8_lossy(field(name)).into_owned();
    let (head, payload) = match decode(field(b"e")) {
        Content::Known(head, payload) => (head, payload),
        Content::Foreign(bytes) => (crate::entry::Head::default(), bytes),
        Content::Newer => (crate::entry::Head::default(), field(b"e").to_vec()),
    };
    DeadLetter {
        id,
        batch: head.batch,
        position: head.position,
        count: head.count,
        version: head.first_version.saturating_add(head.position.into()),
        number: text(b"n"),
        code: text(b"c"),
        detail: text(b"d"),
        payload,
        received_at: received_at(head.first_version),
        buried_at: i64::try_from(id.millis).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default(),
        attempts: text(b"a").parse().unwrap_or_default(),
    }
}
