//! Taking over from the service this one replaces: its idempotency keys, and what its Celery queue still holds.
//!
//! It keeps `idempotency:<key>` for a day, and Celery the list `celery`, whose oldest message is the last, with one more list for each
//! priority, beside `unacked` (hash by delivery tag) and `unacked_index` (sorted set of these tags by time) for messages that a worker
//! had taken.

use std::time::Duration;

use caudal_redis::Client;
use redis::{Value, cmd, pipe};

use crate::{Error, Queue, admit::Ticket, queue::KEPT};

const KEY_PREFIX: &[u8] = b"idempotency:";
/// Where messages wait, by their priority, the most urgent first.
const WAITING: [&str; 4] = ["celery", "celery\u{6}\u{16}3", "celery\u{6}\u{16}6", "celery\u{6}\u{16}9"];
/// What the client list of Redis says of a Celery worker: it waits for messages on several lists at once.
const WORKER: &str = " cmd=brpop ";
const TAKEN: &str = "unacked";
const TAKEN_INDEX: &str = "unacked_index";
/// How many keys Redis looks at in one step.
const PAGE: usize = 1_000;
/// How many messages are read at once.
const MESSAGES: isize = 16;

/// The Redis of the service that is replaced.
#[derive(Debug, Clone)]
pub struct Original {
    client: Client,
}

/// An idempotency key of the original: the header's text in UTF-8, and how long it is still kept.
#[derive(Clone, PartialEq, Eq)]
pub struct OriginalKey {
    /// The key.
    pub key: Vec<u8>,
    /// The time it has left.
    pub left: Duration,
}

/// A message of Celery, and where it lies.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The message as it lies there.
    pub bytes: Vec<u8>,
    place: Place,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Waiting { list: &'static str },
    Taken { tag: Vec<u8> },
}

impl Message {
    /// Whether a worker had taken the message: then it lies in a wrapping of its own.
    pub fn is_taken(&self) -> bool {
        matches!(self.place, Place::Taken { .. })
    }

    /// The key it lies under; that of the queue for each priority.
    pub fn origin(&self) -> &'static str {
        if self.is_taken() { TAKEN } else { WAITING[0] }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("origin", &self.origin()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OriginalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginalKey").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Original {
    /// Connects nothing.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// Some of the keys, and the cursor to ask for more with; both begin and end with 0. A key may come twice.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn keys(&self, cursor: u64) -> Result<(Vec<OriginalKey>, u64), Error> {
        let mut connection = self.client.shared();
        let pattern = [KEY_PREFIX, b"*"].concat();
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE).arg("TYPE").arg("string");
        let (next, found): (u64, Vec<Vec<u8>>) = scan.query_async(&mut connection).await?;
        let mut looks = pipe();
        for key in &found {
            looks.cmd("PTTL").arg(key);
        }
        let left: Vec<i64> = if found.is_empty() { Vec::new() } else { looks.query_async(&mut connection).await? };
        let keys = found.iter().zip(left).filter_map(|(key, left)| {
            let left = match left {
                -1 => KEPT,
                left => Duration::from_millis(u64::try_from(left).ok()?),
            };
            Some(OriginalKey { key: key.strip_prefix(KEY_PREFIX)?.to_owned(), left })
        });
        Ok((keys.collect(), next))
    }

    /// The tags of the messages that workers had taken, oldest first; few, for a worker takes only some at a time.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn taken(&self) -> Result<Vec<Vec<u8>>, Error> {
        let (mut tags, all): (Vec<Vec<u8>>, Vec<Vec<u8>>) = pipe()
            .cmd("ZRANGE")
            .arg(TAKEN_INDEX)
            .arg(0)
            .arg(-1)
            .cmd("HKEYS")
            .arg(TAKEN)
            .query_async(&mut self.client.shared())
            .await?;
        let unlisted: Vec<_> = all.into_iter().filter(|tag| !tags.contains(tag)).collect();
        tags.extend(unlisted);
        Ok(tags)
    }

    /// The message with this tag, if it is (still) taken.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn taken_message(&self, tag: Vec<u8>) -> Result<Option<Message>, Error> {
        let bytes: Option<Vec<u8>> = cmd("HGET").arg(TAKEN).arg(&tag).query_async(&mut self.client.shared()).await?;
        Ok(bytes.map(|bytes| Message { bytes, place: Place::Taken { tag } }))
    }

    /// Some of the messages that wait, the most urgent first and of these the oldest, without the first `passed`.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn waiting(&self, mut passed: usize) -> Result<Vec<Message>, Error> {
        for list in WAITING {
            let last = -1 - isize::try_from(passed).unwrap_or(isize::MAX - MESSAGES);
            let mut look = pipe();
            look.cmd("LRANGE").arg(list).arg(last - MESSAGES + 1).arg(last).cmd("LLEN").arg(list);
            let (page, length): (Vec<Vec<u8>>, usize) = look.query_async(&mut self.client.shared()).await?;
            if !page.is_empty() {
                return Ok(page
                    .into_iter()
                    .rev()
                    .map(|bytes| Message { bytes, place: Place::Waiting { list } })
                    .collect());
            }
            passed = passed.saturating_sub(length);
        }
        Ok(Vec::new())
    }

    /// How many clients of this Redis wait for messages as the original's workers do; none where Redis does not tell.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn workers(&self) -> Result<Option<usize>, Error> {
        let clients: Result<String, _> = cmd("CLIENT").arg("LIST").query_async(&mut self.client.shared()).await;
        match clients.map_err(Error::from) {
            Ok(clients) => Ok(Some(clients.lines().filter(|client| client.contains(WORKER)).count())),
            Err(Error::Misconfigured(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a message, after it has been admitted. One that is gone already is no error.
    ///
    /// # Errors
    /// `Unavailable` (it may be gone) and `Misconfigured`.
    pub async fn remove(&self, message: &Message) -> Result<(), Error> {
        let mut removal = pipe();
        removal.atomic();
        match &message.place {
            // The oldest is the last.
            Place::Waiting { list } => removal.cmd("LREM").arg(list).arg(-1).arg(&message.bytes),
            Place::Taken { tag } => removal.cmd("HDEL").arg(TAKEN).arg(tag).cmd("ZREM").arg(TAKEN_INDEX).arg(tag),
        };
        Ok(removal.query_async(&mut self.client.shared()).await?)
    }
}

impl Queue {
    /// Makes keys known as if their batches had been admitted here, each for at least the time given, and says how many were not
    /// known before. May be asked again.
    ///
    /// # Errors
    /// `Unavailable` (some may be known), `OutOfMemory` and `Misconfigured`.
    pub async fn adopt_keys(&self, keys: &[([u8; 32], Duration)]) -> Result<u64, Error> {
        if keys.is_empty() {
            return Ok(0);
        }
        let (ticket, mut changes) = (Ticket::Adopted.encode(), pipe());
        for (digest, left) in keys {
            let (key, left) = (self.keys().idem(digest), left.as_millis().max(1) as u64);
            changes.cmd("SET").arg(&key).arg(&ticket).arg("PX").arg(left).arg("NX");
            changes.cmd("PEXPIRE").arg(&key).arg(left).arg("GT").ignore();
        }
        let answers: Vec<Value> = changes.query_async(&mut self.connection()).await?;
        Ok(answers.iter().filter(|answer| matches!(answer, Value::Okay)).count() as u64)
    }
}
