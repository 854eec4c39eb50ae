//! Whose turn it is on a connection with one request at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Whose turn it is; clones tell the same.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<AtomicU8>);

/// The client's, the service's, or the client's again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A request is to come, or is coming.
    Waiting,
    /// A request is being answered.
    Busy,
    /// The request has its answer, which may be under way.
    Answered,
}

impl Turn {
    pub(super) fn state(&self) -> State {
        match self.0.load(Ordering::Relaxed) {
            0 => State::Waiting,
            1 => State::Busy,
            _ => State::Answered,
        }
    }

    pub(super) fn set(&self, state: State) {
        self.0.store(state as u8, Ordering::Relaxed);
    }
}
