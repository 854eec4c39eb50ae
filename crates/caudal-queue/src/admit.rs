//! Taking a batch in.

use redis::{ErrorKind, RedisError, Value, from_redis_value};
use uuid::Uuid;

use crate::{Admission, Batch, Error, Queue, door::Request, entry::Head};

/// How many bytes of a fingerprint tell batches apart.
const FINGERPRINT: usize = 16;

impl Queue {
    /// Takes the batch in, all of it or nothing. May be asked again with the same batch when the answer was lost. Batches that
    /// are admitted at the same time share the cost of asking Redis.
    ///
    /// A batch that would lift the backlog over `max_backlog` invoices is refused; with 0, all but known keys are.
    ///
    /// # Errors
    /// `Unavailable` (the batch may have been taken in), `OutOfMemory` (it was not) and `Misconfigured`.
    pub async fn admit(&self, batch: &Batch, max_backlog: u64) -> Result<Admission, Error> {
        let keys = self.keys();
        let request = Request {
            idem: keys.idem(&batch.key),
            lote: keys.lote(batch.id),
            arguments: arguments(batch),
            max_backlog,
        };
        Ok(admission(batch, self.door().pass(self, request).await?)?)
    }
}

/// Ticket, count, caller, number of chunks and the chunks' entries, but for what admission adds.
fn arguments(batch: &Batch) -> Vec<Vec<u8>> {
    let mut arguments = vec![
        Ticket::of(batch).encode(),
        batch.count().to_string().into_bytes(),
        batch.caller.clone().into_bytes(),
        batch.chunks.len().to_string().into_bytes(),
    ];
    let mut position = 0;
    for chunk in &batch.chunks {
        arguments.push(head(batch, position, chunk.count).encode_rest(&chunk.payload));
        position += chunk.count;
    }
    arguments
}

fn head(batch: &Batch, position: u32, count: u32) -> Head {
    let traceparent = batch.traceparent.clone();
    Head { position, count, batch: batch.id, traceparent, ..Head::default() }
}

fn admission(batch: &Batch, answer: Value) -> Result<Admission, RedisError> {
    match answer {
        Value::Int(_) => Ok(Admission::Accepted { id: batch.id }),
        Value::BulkString(ticket) => Ticket::decode(&ticket)
            .map(|ticket| ticket.answer(batch))
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "not what an idempotency key holds"))),
        full => {
            let (backlog,) = from_redis_value(full)?;
            Ok(Admission::Full { backlog })
        }
    }
}

/// What an idempotency key holds: id (16 bytes), the fingerprint's first 16 bytes, count (4 bytes); short enough for Redis to
/// keep it in one piece. Of a key taken over from another program nothing is known: it holds nothing.
pub(crate) enum Ticket {
    Batch { id: Uuid, fingerprint: [u8; FINGERPRINT], count: u32 },
    Adopted,
}

impl Ticket {
    fn of(batch: &Batch) -> Self {
        let count = u32::try_from(batch.count()).unwrap_or(u32::MAX);
        Self::Batch { id: batch.id, fingerprint: fingerprint(batch), count }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Batch { id, fingerprint, count } => {
                [id.as_bytes().as_slice(), fingerprint, &count.to_be_bytes()].concat()
            }
            Self::Adopted => Vec::new(),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Adopted);
        }
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (fingerprint, count) = rest.split_first_chunk::<FINGERPRINT>()?;
        let count = u32::from_be_bytes(count.try_into().ok()?);
        Some(Self::Batch { id: Uuid::from_bytes(*id), fingerprint: *fingerprint, count })
    }

    /// A key that was taken by the very batch that asks is its own, asked again.
    fn answer(self, asking: &Batch) -> Admission {
        match self {
            Self::Adopted => Admission::Duplicate { id: None, count: 0, same: false },
            Self::Batch { id, .. } if id == asking.id => Admission::Accepted { id },
            Self::Batch { id, fingerprint: first, count } => {
                Admission::Duplicate { id: Some(id), count: count.into(), same: first == fingerprint(asking) }
            }
        }
    }
}

fn fingerprint(batch: &Batch) -> [u8; FINGERPRINT] {
    batch.fingerprint.first_chunk().copied().unwrap_or_default()
}
