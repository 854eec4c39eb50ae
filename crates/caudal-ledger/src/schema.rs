//! The tables: made and brought up to date by the migrations in `migrations/`, and which programs they allow.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection};

use crate::Error;
use crate::error::passes;

/// The generation of this program: raised by the first release that no longer needs what a later migration removes.
pub(crate) const PROGRAM: i32 = 1;

/// Opens the transaction. A migration that waits for a table makes everyone behind it wait as well, and one that is stopped
/// makes every other migration wait: the server ends both.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL lock_timeout = '10s'; \
    SET LOCAL idle_in_transaction_session_timeout = '10s'";

/// Any number, the same in every release: two migrations at once wait for each other by it.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4860913587217)";

/// Tables that are missing here were made by a newer program; whether it allows this one is asked apart.
static MIGRATIONS: Migrator = Migrator { locking: false, ignore_missing: true, ..sqlx::migrate!() };

/// Refuses the ledger that no longer allows this program.
pub(crate) fn allow(oldest: i32) -> Result<(), Error> {
    if oldest > PROGRAM { Err(Error::Outdated { oldest, program: PROGRAM }) } else { Ok(()) }
}

/// Whether invoices can be recorded: what [`check`] asks, and that the tables are as new as this program.
pub(crate) async fn ready(connection: &mut PgConnection) -> Result<(), Error> {
    const COMPLETE: &str = "SELECT to_regproc('record_invoices') IS NOT NULL";
    check(connection).await?;
    match sqlx::query_scalar(COMPLETE).persistent(false).fetch_one(connection).await? {
        true => Ok(()),
        false => Err(Error::Unavailable { reason: "its tables are not there yet: run `caudal migrate`", source: None }),
    }
}

/// Whether the tables are there, take writes and allow this program.
async fn check(connection: &mut PgConnection) -> Result<(), Error> {
    const STATE: &str = "SELECT oldest_program, current_setting('transaction_read_only')::boolean FROM compatibility";
    let (oldest, read_only): (i32, bool) = sqlx::query_as(STATE).persistent(false).fetch_one(connection).await?;
    if read_only {
        return Err(Error::Unavailable { reason: "it is read-only", source: None });
    }
    allow(oldest)
}

/// Applies what is missing, all or nothing.
pub(crate) async fn migrate(connection: &mut PgConnection) -> Result<(), Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    sqlx::raw_sql(LOCK).execute(&mut *transaction).await.map_err(|error| match Error::from(error).of_set() {
        Error::Locked(cause) => Error::Unavailable { reason: "another migration is under way", source: Some(cause) },
        other => other,
    })?;
    if exists(&mut transaction).await? {
        check(&mut transaction).await?;
    }
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(failed)?;
    transaction.commit().await?;
    Ok(())
}

async fn exists(connection: &mut PgConnection) -> Result<bool, Error> {
    const EXISTS: &str = "SELECT to_regclass('compatibility') IS NOT NULL";
    Ok(sqlx::query_scalar(EXISTS).persistent(false).fetch_one(connection).await?)
}

/// A statement that PostgreSQL judges wrong stays wrong; what only keeps it from being run passes.
fn failed(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) if passes(&cause) => cause.into(),
        lasting => Error::Migration(lasting),
    }
}
