//! Why nothing is known about a source.

use caudal_redis::Fault;
use redis::RedisError;

/// Why nothing is known about a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Redis is away, starting, failing over or too slow: look again later.
    #[error("Redis cannot be reached")]
    Unavailable(#[source] RedisError),
    /// A person must mend something: password, permissions, or a key that is not a list.
    #[error("Redis refuses the command")]
    Misconfigured(#[source] RedisError),
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        match Fault::of(&error) {
            Fault::Unavailable => Self::Unavailable(error),
            Fault::OutOfMemory | Fault::Misconfigured => Self::Misconfigured(error),
        }
    }
}
