//! What can go wrong when a real service is started for a test.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why a service could not be started, reached or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is on this machine in none of the places looked at.
    #[error("{program} is not installed: `cargo xtask test` gets it first")]
    Missing {
        /// The program's name.
        program: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The program ended where it should have gone on, or failed where it should have succeeded.
    #[error("{program} ended with {status}:\n{log}")]
    Exited {
        /// The program's name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        log: String,
    },
    /// A condition did not come true in time.
    #[error("not within {within:?}: {what}; last seen: {last}")]
    TimedOut {
        /// The condition, in words.
        what: String,
        /// How long it was waited for.
        within: Duration,
        /// What was seen instead when time ran out.
        last: String,
    },
    /// PostgreSQL refuses to run as root, and there is no other user to run it as.
    #[error("PostgreSQL refuses to run as root, and {} names neither postgres nor nobody", .passwd.display())]
    NoUser {
        /// The file that was searched.
        passwd: PathBuf,
    },
}

impl Error {
    /// Gives an operating system error its circumstances.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
