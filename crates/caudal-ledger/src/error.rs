//! What can go wrong with the ledger, told apart by what the caller does about it.

use sqlx::error::DatabaseError;

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
    /// PostgreSQL's verdict on the data: nothing of the set was recorded, and never will be as it is.
    #[error("PostgreSQL refuses the data: {reason}")]
    Rejected {
        /// PostgreSQL's code, of class 22, 23 or 54.
        sqlstate: String,
        /// The verdict in words, with the name of the constraint where there is one.
        reason: String,
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
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let reason = match &error {
            sqlx::Error::Database(verdict) => match judge(&verdict.code().unwrap_or_default()) {
                Verdict::Data(words) => return rejected(words, verdict.as_ref()),
                Verdict::Later(words) => words,
            },
            sqlx::Error::PoolTimedOut => "no connection in time",
            sqlx::Error::Tls(_) => "TLS failed",
            sqlx::Error::Io(_) => "the connection failed",
            _ => "the driver failed",
        };
        Self::Unavailable { reason, source: Some(error) }
    }
}

/// What an SQLSTATE means for the one who asked.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The data is at fault.
    Data(&'static str),
    /// The data is not at fault.
    Later(&'static str),
}

fn judge(sqlstate: &str) -> Verdict {
    match sqlstate {
        "22003" => Verdict::Data("a number is out of range"),
        "22021" => Verdict::Data("a text holds a character PostgreSQL cannot keep"),
        "23502" => Verdict::Data("a value is missing"),
        "23505" => Verdict::Data("the same key stands already"),
        "23514" => Verdict::Data("a check is not met"),
        "25006" => Verdict::Later("it is read-only"),
        "25P03" => Verdict::Later("the transaction was idle too long"),
        "3D000" => Verdict::Later("the database does not exist"),
        "40001" | "40P01" => Verdict::Later("transactions kept colliding"),
        "42P01" | "42703" => Verdict::Later("its tables are not there yet: run `caudal migrate`"),
        "55P03" => Verdict::Later("a lock was not had in time"),
        "57014" => Verdict::Later("a statement took too long"),
        _ => match sqlstate.get(..2) {
            Some("22") => Verdict::Data("a value is malformed"),
            Some("23") => Verdict::Data("a constraint is not met"),
            Some("54") => Verdict::Data("a value is too large"),
            Some("28") => Verdict::Later("it does not let this user in"),
            Some("53") => Verdict::Later("it is out of room, memory or connections"),
            Some("57") => Verdict::Later("it is starting or shutting down"),
            _ => Verdict::Later("it answered with an error"),
        },
    }
}

/// The verdict without PostgreSQL's own message: that one can repeat what the invoice says.
fn rejected(words: &str, verdict: &dyn DatabaseError) -> Error {
    let sqlstate = verdict.code().unwrap_or_default().into_owned();
    let constraint = verdict.constraint().map(|name| format!(", {name}")).unwrap_or_default();
    Error::Rejected { reason: format!("{words} (SQLSTATE {sqlstate}{constraint})"), sqlstate }
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

#[cfg(test)]
mod tests;
