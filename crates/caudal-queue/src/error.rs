//! What can go wrong, sorted by what the caller does about it.

use caudal_redis::Fault;
use redis::RedisError;

/// Why a change or a look did not come through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Redis is away, starting, failing over or too slow: try again later. A change may or may not have happened; every
    /// change of the queue can be asked again.
    #[error("Redis cannot be reached")]
    Unavailable(#[source] RedisError),
    /// Redis is at its memory limit: an admission was refused whole and left nothing behind.
    #[error("Redis is out of memory")]
    OutOfMemory(#[source] RedisError),
    /// A person must mend something: password, permissions, a key of another kind, an old Redis.
    #[error("Redis refuses the command")]
    Misconfigured(#[source] RedisError),
    /// Redis is reached but not fit to keep a queue; the text says why.
    #[error("Redis is not fit to keep the queue: {0}")]
    Unfit(String),
    /// A settlement names more or fewer invoices than its lease holds. Nothing was changed.
    #[error("a settlement of {named} invoices for a lease of {held}")]
    Miscounted {
        /// How many invoices the settlement names.
        named: u64,
        /// How many invoices the lease holds.
        held: u64,
    },
}

impl Error {
    /// Whether trying again later may help.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        match Fault::of(&error) {
            Fault::Unavailable => Self::Unavailable(error),
            Fault::OutOfMemory => Self::OutOfMemory(error),
            Fault::Misconfigured => Self::Misconfigured(error),
        }
    }
}
