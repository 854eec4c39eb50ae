//! Taking a batch in.

use redis::{ErrorKind, RedisError, Value, from_redis_value};
use uuid::Uuid;

use crate::queue::KEPT;
use crate::{Admission, Batch, Error, Queue};

/// How many dead letters there may be before the door is shut.
const MAX_DEAD: u32 = 100_000;

impl Queue {
    /// Takes the batch in, all of it or nothing. May be asked again with the same batch when the answer was lost.
    ///
    /// A batch that would lift the backlog over `max_backlog` invoices is refused.
    ///
    /// # Errors
    /// `Unavailable` (the batch may have been taken in), `OutOfMemory` (it was not) and `Misconfigured`.
    pub async fn admit(&self, batch: &Batch, max_backlog: u64) -> Result<Admission, Error> {
        let keys = self.keys();
        let mut call = self.scripts().admit.prepare_invoke();
        call.key(keys.idem(&batch.key))
            .key(&keys.backlog)
            .key(&keys.dead)
            .key(&keys.version)
            .key(&keys.stream)
            .key(keys.lote(batch.id))
            .arg(Ticket::of(batch).encode())
            .arg(batch.id.as_bytes())
            .arg(batch.count())
            .arg(max_backlog)
            .arg(MAX_DEAD)
            .arg(KEPT.as_secs())
            .arg(&batch.caller)
            .arg(batch.traceparent.as_deref().unwrap_or_default())
            .arg(&keys.wake);
        for chunk in &batch.chunks {
            call.arg(&chunk.payload).arg(chunk.count);
        }
        let (verdict, detail): (i64, Value) = call.invoke_async(&mut self.connection()).await?;
        Ok(admission(batch, verdict, detail)?)
    }
}

fn admission(batch: &Batch, verdict: i64, detail: Value) -> Result<Admission, RedisError> {
    match verdict {
        1 => Ok(Admission::Accepted { id: batch.id }),
        0 => {
            let bytes: Vec<u8> = from_redis_value(detail)?;
            let ticket = Ticket::decode(&bytes).ok_or_else(|| {
                RedisError::from((ErrorKind::UnexpectedReturnType, "not what an idempotency key holds"))
            })?;
            Ok(ticket.answer(batch.id))
        }
        _ => Ok(Admission::Full { backlog: from_redis_value(detail)? }),
    }
}

/// What an idempotency key holds: id (16 bytes), fingerprint (32 bytes), count (decimal text).
struct Ticket {
    id: Uuid,
    fingerprint: [u8; 32],
    count: u64,
}

impl Ticket {
    fn of(batch: &Batch) -> Self {
        Self { id: batch.id, fingerprint: batch.fingerprint, count: batch.count() }
    }

    fn encode(&self) -> Vec<u8> {
        [self.id.as_bytes().as_slice(), &self.fingerprint, self.count.to_string().as_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (fingerprint, count) = rest.split_first_chunk::<32>()?;
        let count = std::str::from_utf8(count).ok()?.parse().ok()?;
        Some(Self { id: Uuid::from_bytes(*id), fingerprint: *fingerprint, count })
    }

    /// A key that was taken by the very batch that asks is its own, asked again.
    fn answer(self, asking: Uuid) -> Admission {
        let Self { id, fingerprint, count } = self;
        if id == asking { Admission::Accepted { id } } else { Admission::Duplicate { id, count, fingerprint } }
    }
}
