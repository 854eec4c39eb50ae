//! The queue: what it is made of.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use caudal_redis::{Client, Shared};
use redis::RedisResult;

use crate::{Consumer, Name, Options, door::Door, keys::Keys, reach::Reach, scripts::Scripts};

/// How long a lease stands without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(15);
/// How long a key is remembered, and a settled batch's status kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The one consumer group.
pub(crate) const GROUP: &str = "workers";
/// The consumer that stands for nobody: entries given back wait under its name. Real names hold a slash.
pub(crate) const NOBODY: &str = "released";

/// One queue in one Redis. Cheap to clone; every change it makes is one atomic script.
#[derive(Debug, Clone)]
pub struct Queue {
    inner: Arc<Inner>,
    lease: Duration,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    name: Name,
    keys: Keys,
    scripts: Scripts,
    door: Door,
    /// What those who look at the backlog have heard.
    reach: Mutex<Reach>,
}

impl Queue {
    /// The queue that the options name. Connects nothing.
    pub fn new(client: &Client, options: &Options) -> Self {
        let inner = Inner {
            client: client.clone(),
            name: options.queue.clone(),
            keys: Keys::new(&options.queue),
            scripts: Scripts::new(),
            door: Door::new(),
            reach: Mutex::default(),
        };
        Self { inner: Arc::new(inner), lease: LEASE }
    }

    /// The same queue with leases of another length, for tests. All workers of a queue must agree on it.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How long a lease stands without a heartbeat.
    pub fn lease_time(&self) -> Duration {
        self.lease
    }

    /// The queue's name.
    pub fn name(&self) -> &Name {
        &self.inner.name
    }

    /// A reader of this queue, one to a process. Its name is `<pod>/<nonce>` with a nonce made at the process' start, so
    /// that no two processes ever share one. Connects nothing.
    pub fn consumer(&self, name: &str) -> Consumer {
        Consumer::new(self.clone(), name)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn connection(&self) -> Shared {
        self.inner.client.shared()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn door(&self) -> &Door {
        &self.inner.door
    }

    pub(crate) fn reach(&self) -> MutexGuard<'_, Reach> {
        self.inner.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.inner.scripts
    }
}

/// A queue that is not there (any more) holds no lease.
pub(crate) fn or_if_no_group<T>(answer: RedisResult<T>, otherwise: T) -> RedisResult<T> {
    match answer {
        Err(error) if error.code() == Some("NOGROUP") => Ok(otherwise),
        other => other,
    }
}
