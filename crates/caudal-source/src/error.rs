//! Why nothing is known about a source.

use caudal_redis::{Client, Fault};
use redis::{RedisError, pipe};

/// Why nothing is known about a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Redis is away, starting, failing over or too slow: look again later.
    #[error("Redis cannot be reached")]
    Unavailable(#[source] RedisError),
    /// Workers of Celery that must be asked for what they run do not answer, or not in words that are understood: look again later.
    #[error(
        "some Celery workers do not answer, so what they run is not known: one of the solo pool answers only between tasks, one whose \
         task_serializer is not json never; where tasks are run with task_acks_late, set acksLate"
    )]
    Silent,
    /// A person must mend something: password or permissions.
    #[error("Redis refuses the command")]
    Misconfigured(#[source] RedisError),
    /// A person must name another key.
    #[error("the key {key} is a {found}, not a {wanted}: name another key, or remove this one")]
    WrongType {
        /// The key.
        key: String,
        /// What it holds, as Redis calls it.
        found: String,
        /// What it should hold.
        wanted: &'static str,
    },
}

impl Error {
    /// Whether it may pass by itself.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Silent)
    }

    /// Sorts an error of a command about these keys. Of one that is of another type it is looked up which.
    pub(crate) async fn of(error: RedisError, keys: &[&str], wanted: &'static str, redis: &Client) -> Self {
        let errors = error.clone().into_server_errors().unwrap_or_default();
        if errors.first().is_none_or(|(_, error)| error.code() != "WRONGTYPE") {
            return error.into();
        }
        let mut types = pipe();
        for key in keys {
            types.cmd("TYPE").arg(key);
        }
        let found: Vec<String> = match types.query_async(&mut redis.shared()).await {
            Ok(found) => found,
            Err(error) => return error.into(),
        };
        let found = found.into_iter().map(|found| if found == "zset" { "sorted set".to_owned() } else { found });
        let wrong = keys.iter().zip(found).find(|(_, found)| found != "none" && found != wanted);
        wrong.map_or_else(|| error.into(), |(key, found)| Self::WrongType { key: (*key).to_owned(), found, wanted })
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        match Fault::of(&error) {
            Fault::Unavailable => Self::Unavailable(error),
            Fault::OutOfMemory | Fault::Misconfigured => Self::Misconfigured(error),
        }
    }
}
