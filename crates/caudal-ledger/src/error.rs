//! What can go wrong with the ledger, told apart by what the caller does about it.

use sqlx::error::DatabaseError;

use crate::condition::condition;

/// Why the ledger did not do it. No text of an error holds an invoice's contents or a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not now: nothing is wrong with what was asked. Ask again later, all of it.
    ///
    /// Whether a transaction was committed may be open; to record it again is harmless.
    #[error("PostgreSQL cannot be used now: {reason}")]
    Unavailable {
        /// What is missing, in words.
        reason: &'static str,
        /// The driver's account; none where time ran out on this side.
        #[source]
        source: Option<sqlx::Error>,
    },
    /// PostgreSQL is there, but another session has kept a lock, mostly that of a client, for longer than was waited. Record
    /// the others without what is locked, and that later.
    #[error("a lock was not had in time")]
    Locked(#[source] sqlx::Error),
    /// PostgreSQL is there, but the set takes it longer than a statement may take. Record it in smaller parts.
    #[error("a statement took too long")]
    Slow(#[source] sqlx::Error),
    /// PostgreSQL's verdict on the data: nothing of the set was recorded, and never will be as it is.
    #[error("PostgreSQL refuses the data: {detail}")]
    Rejected {
        /// PostgreSQL's name for it, as `check_violation`.
        code: &'static str,
        /// The verdict in words, with its SQLSTATE, of class 22, 23 or 54, and the constraint where there is one.
        detail: String,
    },
    /// The ledger's tables have moved on: a newer program has to be run.
    #[error("the ledger allows programs of generation {oldest} and later, this one is {program}: upgrade it")]
    Outdated {
        /// The oldest generation the ledger allows.
        oldest: i32,
        /// The generation of this program.
        program: i32,
    },
    /// A setting is wrong.
    #[error("{0}")]
    Misconfigured(String),
    /// A migration failed; the tables are as they were before.
    #[error("the ledger's tables could not be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

impl Error {
    /// No answer within the time allowed.
    pub(crate) const fn late() -> Self {
        Self::Unavailable { reason: "no answer in time", source: None }
    }

    /// Tells what keeps this set from being recorded, and may not keep another.
    pub(crate) fn of_set(self) -> Self {
        let Self::Unavailable { source: Some(sqlx::Error::Database(verdict)), .. } = &self else { return self };
        let kind = match verdict.code().as_deref() {
            Some("55P03") => Self::Locked,
            Some("57014") => Self::Slow,
            _ => return self,
        };
        match self {
            Self::Unavailable { source: Some(source), .. } => kind(source),
            other => other,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let reason = match &error {
            sqlx::Error::Database(verdict) => {
                let sqlstate = verdict.code().unwrap_or_default();
                match condition(&sqlstate) {
                    Some((code, words)) => return rejected(code, words, verdict.as_ref()),
                    None => obstacle(&sqlstate),
                }
            }
            sqlx::Error::PoolTimedOut => "no connection in time",
            sqlx::Error::Tls(_) => "TLS failed",
            sqlx::Error::Io(_) => "the connection failed",
            _ => "the driver failed",
        };
        Self::Unavailable { reason, source: Some(error) }
    }
}

/// What an SQLSTATE that is no verdict on the data says is in the way.
fn obstacle(sqlstate: &str) -> &'static str {
    match sqlstate {
        "25006" => "it is read-only",
        "25P03" => "the transaction was idle too long",
        "3D000" => "the database does not exist",
        "40001" | "40P01" => "transactions kept colliding",
        "42P01" | "42703" | "42883" => "its tables are not there yet: run `caudal migrate`",
        "55P03" => "a lock was not had in time",
        "57014" => "a statement took too long",
        _ => match sqlstate.get(..2) {
            Some("28") => "it does not let this user in",
            Some("53") => "it is out of room, memory or connections",
            Some("57") => "it is starting or shutting down",
            _ => "it answered with an error",
        },
    }
}

/// The verdict without PostgreSQL's own message: that one can repeat what the invoice says.
fn rejected(code: &'static str, words: &str, verdict: &dyn DatabaseError) -> Error {
    let sqlstate = verdict.code().unwrap_or_default();
    let constraint = verdict.constraint().map(|name| format!(", {name}")).unwrap_or_default();
    Error::Rejected { code, detail: format!("{words} (SQLSTATE {sqlstate}{constraint})") }
}

/// Whether the same may well succeed some time later with nothing mended by a person: connections, resources, locks, shutdowns.
pub(crate) fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(verdict) => {
            let sqlstate = verdict.code().unwrap_or_default();
            sqlstate.get(..2).is_some_and(|class| ["08", "40", "53", "55", "57"].contains(&class))
        }
        _ => true,
    }
}

/// Whether the same again, at once, may well succeed: transactions got into each other's way, or the server had ended a
/// connection of the pool's.
pub(crate) fn is_momentary(error: &Error) -> bool {
    match error {
        Error::Unavailable { source: Some(sqlx::Error::Io(_)), .. } => true,
        Error::Unavailable { source: Some(sqlx::Error::Database(verdict)), .. } => {
            matches!(verdict.code().as_deref(), Some("40001" | "40P01" | "57P01"))
        }
        _ => false,
    }
}
