//! Where chunks wait between the one who leases them and the one who has them handled: about one set.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::hands::Held;
use crate::pace::{SET, first_set};
use crate::port::Leased;

/// Chunks that are ready. One puts them there, one takes them away.
#[derive(Debug)]
pub(crate) struct Shelf<L> {
    state: Mutex<State<L>>,
    filled: Notify,
    taken: Notify,
}

#[derive(Debug)]
struct State<L> {
    ready: VecDeque<Arc<Held<L>>>,
    closed: bool,
}

impl<L> Default for Shelf<L> {
    fn default() -> Self {
        let state = State { ready: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), filled: Notify::new(), taken: Notify::new() }
    }
}

impl<L: Leased> Shelf<L> {
    /// Waits until there is less than a set on it, and says how many invoices are lacking.
    pub(crate) async fn room(&self) -> usize {
        loop {
            let waiting: usize = self.lock().ready.iter().map(|held| held.count().max(1)).sum();
            if waiting < SET {
                return SET - waiting;
            }
            self.taken.notified().await;
        }
    }

    /// Puts chunks on it, or returns them where it is closed.
    pub(crate) fn put(&self, chunks: Vec<Arc<Held<L>>>) -> Vec<Arc<Held<L>>> {
        let mut state = self.lock();
        if state.closed {
            return chunks;
        }
        state.ready.extend(chunks);
        self.filled.notify_one();
        Vec::new()
    }

    /// Waits for the next set, which is whatever is there; none once it is closed.
    pub(crate) async fn next(&self) -> Option<Vec<Arc<Held<L>>>> {
        loop {
            {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                let length = first_set(state.ready.iter().map(|held| (held.count(), held.is_doubtful())));
                if length > 0 {
                    self.taken.notify_one();
                    return Some(state.ready.drain(..length).collect());
                }
            }
            self.filled.notified().await;
        }
    }

    /// Takes away all that is there.
    pub(crate) fn clear(&self) -> Vec<Arc<Held<L>>> {
        let rest = self.lock().ready.drain(..).collect();
        self.taken.notify_one();
        rest
    }

    /// Takes away all that is there; nothing is put on it or taken from it any more.
    pub(crate) fn close(&self) -> Vec<Arc<Held<L>>> {
        self.lock().closed = true;
        self.filled.notify_one();
        self.clear()
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
