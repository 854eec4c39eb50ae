//! Reading: new chunks by a blocking read, given-back and orphaned ones by reclaiming.

use std::{sync::Arc, time::Duration};

use redis::{RedisError, RedisResult, Value, aio::MultiplexedConnection, cmd};
use tokio::time::{Instant, sleep};

use crate::{
    EntryId, Error, Lease, Queue,
    entry::Raw,
    hand::Hand,
    lease::Lessor,
    queue::{GROUP, NOBODY},
    reach::Reach,
};

/// How long one `Consumer::lease` waits at most. Short, because a read is never cancelled: a shutdown waits for it.
pub const LONGEST_BLOCK: Duration = Duration::from_secs(1);

/// How many entries one promotion moves at most.
const MOST_PROMOTED: u32 = 100;

/// The reader of one worker process, with a connection of its own for the blocking read, and for what comes before each read: on
/// the shared one that would wait behind the settlements of a whole set, and the worker for its next chunks.
#[derive(Debug)]
pub struct Consumer {
    queue: Queue,
    lessor: Lessor,
    reader: Option<MultiplexedConnection>,
    reach: Reach,
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
        Self { queue, lessor, reader: None, reach: Reach::default() }
    }

    /// The consumer's name.
    pub fn name(&self) -> &str {
        &self.lessor.consumer
    }

    /// Leases up to `max_chunks` chunks that nobody has had yet; waits up to `block`, at most `LONGEST_BLOCK`, for the first.
    /// Empty when none came, and while the queue is paused. A queue that is not there (never used, flushed, restored) is made.
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
            other => self.noticed(other)?,
        };
        let leases = entries.into_iter().map(|entry| self.lessor.lease(entry, 1)).collect();
        Ok(self.readable(leases).await)
    }

    /// Moves up to 100 chunks whose retry is due to the stream, unless the queue is paused, and says how many. To be called
    /// before each lease; does not wait.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; call again, after a pause.
    pub async fn promote(&mut self) -> Result<u64, Error> {
        let moved = self.move_due().await;
        self.noticed(moved)
    }

    /// Takes the consumer off the queue's books, when its worker ends; not if it still holds something.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`: somebody's `Queue::tidy` removes it later.
    pub async fn leave(self) -> Result<(), Error> {
        self.queue.remove_consumers(self.name()).await?;
        Ok(())
    }

    /// Takes over up to `max_chunks` chunks that were given back, or whose worker has not renewed them for a lease time.
    /// What this process holds is never among them. Does not wait.
    ///
    /// Nothing is taken while the queue is paused. Leases that ran out are taken only once Redis has been reached for a whole
    /// lease time: after an outage every lease looks run out, also those of workers that live. A lost call or two is no outage.
    /// What this consumer gave back it takes again only after a lease time.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`; call again, after a pause.
    pub async fn reclaim(&mut self, max_chunks: usize) -> Result<Reclaimed, Error> {
        let claimed = self.claim(max_chunks).await;
        let (entries, deliveries, gone) = match claimed {
            Err(error) if error.code() == Some("NOGROUP") => return Ok(Reclaimed::default()),
            other => self.noticed(other)?,
        };
        let leases =
            entries.into_iter().zip(deliveries).map(|(entry, count)| self.lessor.lease(entry, count)).collect();
        Ok(Reclaimed { leases: self.readable(leases).await, vanished: gone })
    }

    /// Gives back what a newer program wrote; if Redis does not hear of it, the lease runs out.
    async fn readable(&self, leases: Vec<Lease>) -> Vec<Lease> {
        let (newer, readable): (Vec<_>, Vec<_>) = leases.into_iter().partition(|lease| lease.newer);
        drop(self.queue.release(&newer.iter().collect::<Vec<_>>()).await);
        readable
    }

    async fn move_due(&mut self) -> RedisResult<u64> {
        let mut reader = self.reader().await?;
        let keys = self.queue.keys();
        let mut call = self.queue.scripts().promote.prepare_invoke();
        call.key(&keys.retry).key(&keys.stream).key(&keys.paused).arg(MOST_PROMOTED);
        call.invoke_async(&mut reader).await
    }

    async fn read(&mut self, max_chunks: usize, block: Duration) -> RedisResult<Vec<Raw>> {
        let mut reader = self.reader().await?;
        if cmd("EXISTS").arg(&self.queue.keys().paused).query_async(&mut reader).await? {
            sleep(block).await;
            return Ok(Vec::new());
        }
        let reply: Option<Vec<(Value, Vec<Raw>)>> = cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, &self.lessor.consumer])
            .arg("COUNT")
            .arg(max_chunks)
            .arg("BLOCK")
            .arg(block.as_millis().max(1) as u64)
            .arg("STREAMS")
            .arg(&self.queue.keys().stream)
            .arg(">")
            .query_async(&mut reader)
            .await?;
        Ok(reply.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }

    /// Done entries are deleted, so a group that begins at the stream's start hands out nothing twice.
    async fn make_group(&self) -> RedisResult<()> {
        let mut call = self.queue.scripts().make_group.prepare_invoke();
        call.key(&self.queue.keys().stream).arg(GROUP);
        call.invoke_async(&mut self.queue.connection()).await
    }

    async fn claim(&self, max_chunks: usize) -> RedisResult<(Vec<Raw>, Vec<u32>, Vec<EntryId>)> {
        let lease = self.queue.lease_time();
        let idle = self.reach.believed_silence(Instant::now(), lease);
        self.queue
            .scripts()
            .reclaim
            .key(&self.queue.keys().stream)
            .key(&self.queue.keys().paused)
            .arg(GROUP)
            .arg(&*self.lessor.consumer)
            .arg(NOBODY)
            .arg(max_chunks)
            .arg(idle)
            .arg(self.lessor.hand.forbidden(lease))
            .invoke_async(&mut self.queue.connection())
            .await
    }

    /// Its connection, made where there is none.
    async fn reader(&mut self) -> RedisResult<MultiplexedConnection> {
        match &self.reader {
            Some(reader) => Ok(reader.clone()),
            None => Ok(self.reader.insert(self.queue.client().dedicated(LONGEST_BLOCK).await?).clone()),
        }
    }

    /// Keeps in mind since when Redis has been reached. After a failure the connection is made anew.
    fn noticed<T>(&mut self, result: Result<T, RedisError>) -> Result<T, Error> {
        if result.is_err() {
            self.reader = None;
        }
        self.reach.heard(result.is_ok(), Instant::now(), self.queue.lease_time());
        Ok(result?)
    }
}
