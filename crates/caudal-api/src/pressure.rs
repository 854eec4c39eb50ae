//! How hard the queue is pressed: whether Redis has room left, and how fast what waits is worked off.

mod drain;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use caudal_queue::{Error, Queue};
use tokio::time::Instant;

use drain::Drain;

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What was last seen of the queue.
#[derive(Debug, Default)]
pub(crate) struct Pressure(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Redis has no room for further batches.
    tight: bool,
    drain: Drain,
}

impl Pressure {
    /// How many invoices may wait: none beyond those that do, while Redis is short of memory.
    pub(crate) fn max_backlog(&self, configured: u64) -> u64 {
        if self.lock().tight { 0 } else { configured }
    }

    /// After how many seconds a batch that was turned away should come again.
    pub(crate) fn retry_after(&self) -> u32 {
        self.lock().drain.seconds()
    }

    /// Watches the queue. While it cannot be seen, what was last seen stands.
    pub(crate) async fn follow(&self, queue: &Queue) {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look(queue).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "the queue could not be looked at");
            }
        }
    }

    async fn look(&self, queue: &Queue) -> Result<(), Error> {
        let (memory, backlog) = tokio::try_join!(queue.memory(), queue.backlog())?;
        let mut seen = self.lock();
        seen.drain.observe(backlog.invoices, Instant::now());
        let tight = memory.is_tight();
        if tight != seen.tight {
            tracing::warn!(tight, used_bytes = memory.used, "Redis is short of memory, or has room again");
        }
        seen.tight = tight;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
