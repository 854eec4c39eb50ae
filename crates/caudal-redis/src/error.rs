//! What can be wrong with the options, and what an error of Redis asks of the caller.

use redis::{ErrorKind, RedisError};

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one of a Redis. The text is one line, without user and password.
    #[error(
        "REDIS_URL: given {given:?}, allowed redis://[[user]:password@]host[:port][/database], or rediss:// for TLS"
    )]
    Url {
        /// The URL as given, without user and password.
        given: String,
        /// What the parser had to say.
        #[source]
        source: RedisError,
    },
}

/// What an error of Redis asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Redis is away, starting, failing over or too slow: try again later. What was asked may or may not have happened.
    Unavailable,
    /// Redis is at its memory limit and refused the command whole.
    OutOfMemory,
    /// A person must mend something: password, permissions, a key of another kind, an old Redis.
    Misconfigured,
}

impl Fault {
    /// Sorts an error of the driver. Of the errors of a transaction the first counts.
    pub fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io | ErrorKind::Parse | ErrorKind::ClusterConnectionNotFound => Self::Unavailable,
            ErrorKind::Server(_) | ErrorKind::Extension => {
                let errors = error.clone().into_server_errors();
                let first = errors.as_deref().and_then(<[_]>::first).map(|(_, error)| error);
                first.map_or(Self::Misconfigured, |error| Self::of_code(error.code(), error.details()))
            }
            _ => Self::Misconfigured,
        }
    }

    fn of_code(code: &str, detail: Option<&str>) -> Self {
        match code {
            "OOM" => Self::OutOfMemory,
            "LOADING" | "MASTERDOWN" | "READONLY" | "TRYAGAIN" | "CLUSTERDOWN" | "BUSY" | "MISCONF" | "NOREPLICAS"
            | "UNBLOCKED" => Self::Unavailable,
            "ERR" if detail.is_some_and(|text| text.starts_with("max number of clients")) => Self::Unavailable,
            _ => Self::Misconfigured,
        }
    }
}

#[cfg(test)]
mod tests;
