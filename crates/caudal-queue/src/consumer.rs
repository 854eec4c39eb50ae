//! Reading: new chunks by a blocking read, given-back and orphaned ones by reclaiming.

use std::{sync::Arc, time::Duration};

use redis::{
    RedisError, RedisResult,
    aio::MultiplexedConnection,
    cmd,
    streams::{StreamClaimReply, StreamId, StreamReadReply},
};
use tokio::time::Instant;

use crate::{
    EntryId, Error, Lease, Queue,
    hand::Hand,
    lease::Lessor,
    queue::{GROUP, NOBODY},
};

/// How long one `Consumer::lease` waits at most. Short, because a read is never cancelled: a shutdown waits for it.
pub const LONGEST_BLOCK: Duration = Duration::from_secs(2);

/// The reader of one worker process, with a connection of its own for the blocking read.
#[derive(Debug)]
pub struct Consumer {
    queue: Queue,
    lessor: Lessor,
    reader: Option<MultiplexedConnection>,
    reached_since: Option<Instant>,
}

/// What a reclaim brought.
#[derive(Debug, Default)]
pub struct Reclaimed {
    /// Leases taken over.
    pub leases: Vec<Lease>,
    /// Entries that somebody deleted while they were in flight: their invoices are gone from the queue. To be reported.
    pub vanished: Vec<EntryId>,
}

impl Consumer {
    pub(crate) fn new(queue: Queue, name: &str) -> Self {
        let lessor = Lessor { consumer: name.into(), hand: Arc::new(Hand::default()) };
        Self { queue, lessor, reader: None, reached_since: None }
    }

    /// The consumer's name.
    pub fn name(&self) -> &str {
        &self.lessor.consumer
    }

    /// Leases up to `max_chunks` chunks that nobody has had yet; waits up to `block`, at most `LONGEST_BLOCK`, for the first.
    /// Empty when none came. A queue that is not there (never used, flushed, restored) is made.
    ///
    /// Never drop this future half-way: Redis would go on and lease chunks to nobody. They come back after a lease time.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; call again, after a pause.
    pub async fn lease(&mut self, max_chunks: usize, block: Duration) -> Result<Vec<Lease>, Error> {
        let read = self.read(max_chunks, block.min(LONGEST_BLOCK)).await;
        let entries = match read {
            Err(error) if error.code() == Some("NOGROUP") => {
                let made = self.make_group().await;
                self.noticed(made)?;
                Vec::new()
            }
            other => {
                if other.is_err() {
                    self.reader = None;
                }
                self.noticed(other)?
            }
        };
        Ok(entries.into_iter().map(|entry| self.lessor.lease(entry, 1)).collect())
    }

    /// Takes over up to `max_chunks` chunks that were given back, or whose worker has not renewed them for a lease time.
    /// What this process holds is never among them. Does not wait.
    ///
    /// Leases that ran out are taken only once Redis has been reached for a whole lease time: after an outage every lease
    /// looks run out, also those of workers that live. What this consumer gave back it takes again only after a lease time.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; call again, after a pause.
    pub async fn reclaim(&mut self, max_chunks: usize) -> Result<Reclaimed, Error> {
        let claimed = self.claim(max_chunks).await;
        let (entries, deliveries, gone) = match claimed {
            Err(error) if error.code() == Some("NOGROUP") => return Ok(Reclaimed::default()),
            other => self.noticed(other)?,
        };
        let leases = entries
            .ids
            .into_iter()
            .zip(deliveries)
            .map(|(entry, deliveries)| self.lessor.lease(entry, deliveries))
            .collect();
        Ok(Reclaimed { leases, vanished: gone.into_iter().map(EntryId).collect() })
    }

    async fn read(&mut self, max_chunks: usize, block: Duration) -> RedisResult<Vec<StreamId>> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(self.queue.client().dedicated(LONGEST_BLOCK).await?),
        };
        let reply: Option<StreamReadReply> = cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, &self.lessor.consumer])
            .arg("COUNT")
            .arg(max_chunks)
            .arg("BLOCK")
            .arg(block.as_millis().max(1) as u64)
            .arg("STREAMS")
            .arg(&self.queue.keys().stream)
            .arg(">")
            .query_async(reader)
            .await?;
        Ok(reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids).collect())
    }

    /// Done entries are deleted, so a group that begins at the stream's start hands out nothing twice.
    async fn make_group(&self) -> RedisResult<()> {
        let made: RedisResult<()> = cmd("XGROUP")
            .arg("CREATE")
            .arg(&self.queue.keys().stream)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query_async(&mut self.queue.connection())
            .await;
        match made {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            other => other,
        }
    }

    async fn claim(&self, max_chunks: usize) -> RedisResult<(StreamClaimReply, Vec<u32>, Vec<String>)> {
        let lease = self.queue.lease_time();
        let trusted = self.reached_since.is_some_and(|since| since.elapsed() >= lease);
        let idle = if trusted { lease.as_millis() as i64 } else { -1 };
        self.queue
            .scripts()
            .reclaim
            .key(&self.queue.keys().stream)
            .arg(GROUP)
            .arg(&*self.lessor.consumer)
            .arg(NOBODY)
            .arg(max_chunks)
            .arg(idle)
            .arg(self.lessor.hand.forbidden(lease))
            .invoke_async(&mut self.queue.connection())
            .await
    }

    /// Keeps in mind since when Redis has been reached.
    fn noticed<T>(&mut self, result: Result<T, RedisError>) -> Result<T, Error> {
        let result = result.map_err(Error::from);
        match &result {
            Ok(_) => self.reached_since = self.reached_since.or_else(|| Some(Instant::now())),
            Err(_) => self.reached_since = None,
        }
        result
    }
}
