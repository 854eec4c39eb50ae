//! Whether both sides, Redis and what the handler works with, have been heard of just now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After this long without a sign of them both sides are looked at again.
const LOOK: Duration = Duration::from_secs(2);

/// Nothing is leased unless it is open. It shuts by itself when nothing is heard.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Both sides are there.
    pub(crate) fn open(&self) {
        *self.lock() = Some(Instant::now());
    }

    /// One of them is away.
    pub(crate) fn shut(&self) {
        *self.lock() = None;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_some_and(|at| at.elapsed() < LOOK)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
