//! The pool of connections and the time limits on everything asked of PostgreSQL.

use std::future::Future;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection, Postgres};
use tokio::time::{Instant, sleep, timeout};

use crate::error::is_momentary;
use crate::{Error, Options, schema};

/// To have a connection, new or used.
const CONNECT: Duration = Duration::from_secs(3);
/// For one whole transaction. The server's own limits in [`BEGIN`] are meant to come first.
const TRANSACTION: Duration = Duration::from_secs(10);
/// A connection unused for this long is tried before it is trusted.
const TRUSTED: Duration = Duration::from_secs(1);
const CONNECTIONS: u32 = 8;
/// For how long what failed for a moment only is tried again.
const AGAIN: Duration = Duration::from_secs(5);

macro_rules! begin {
    ($lock_timeout:literal) => {
        concat!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '",
            $lock_timeout,
            "'; SET LOCAL idle_in_transaction_session_timeout = '3s'",
        )
    };
}

/// Opens a transaction that a stopped client cannot hold for as long as a lease: the server ends it by itself.
///
/// The limits are set by the transaction and not by the session, in the message that opens it: this costs no round
/// trip, and works behind a `PgBouncer` that hands each transaction another session and refuses start-up options.
pub(crate) const BEGIN: &str = begin!("3s");
/// The same, for who waits for no lock that others do not give back at once.
pub(crate) const BEGIN_IN_A_HURRY: &str = begin!("200ms");

/// The ledger. Clones share its few connections, which are made when they are first needed.
#[derive(Clone, Debug)]
pub struct Ledger {
    pool: PgPool,
}

impl Ledger {
    /// A ledger that connects when it is first used: a PostgreSQL that is away is no error here.
    ///
    /// # Errors
    /// [`Error::Misconfigured`], where the address does not parse.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT)
            .test_before_acquire(false)
            .before_acquire(|connection, used| {
                Box::pin(async move {
                    if used.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.database_url.connect_options()?);
        Ok(Self { pool })
    }

    /// Whether invoices can be recorded now: PostgreSQL is reached, takes writes, and its tables are there and ours.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Outdated`], within a few seconds.
    pub async fn ready(&self) -> Result<(), Error> {
        again(|| self.check()).await
    }

    /// Makes the tables or brings them up to date, once, however many ask for it at the same time.
    ///
    /// All of it happens in one transaction under a lock of its own, so it works behind a `PgBouncer` too, and a
    /// failure leaves nothing behind. On tables that are newer than this program, but allow it, nothing is done.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also after 10 s in which another migration was under way, [`Error::Outdated`] or
    /// [`Error::Migration`].
    pub async fn migrate(&self) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        let done = schema::migrate(&mut connection).await;
        give_back(connection, done)
    }

    /// Ends the connections, after what is under way on them; not for longer than a connection takes to come up.
    pub async fn close(&self) {
        // One that does not end in time ends with the process.
        drop(timeout(CONNECT, self.pool.close()).await);
    }

    async fn check(&self) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        let done = in_time(schema::ready(&mut connection)).await;
        give_back(connection, done)
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, Error> {
        Ok(self.pool.acquire().await?)
    }
}

/// Attempts it until it succeeds or fails for more than a moment. What is attempted must be harmless when done twice.
pub(crate) async fn again<T, F: Future<Output = Result<T, Error>>>(attempt: impl Fn() -> F) -> Result<T, Error> {
    let since = Instant::now();
    loop {
        match attempt().await {
            Err(error) if is_momentary(&error) && since.elapsed() < AGAIN => sleep(Duration::from_millis(10)).await,
            done => return done,
        }
    }
}

/// The work, or [`Error::Unavailable`] when the time of a transaction has passed.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(TRANSACTION, work).await.unwrap_or_else(|_| Err(Error::late()))
}

/// Returns the connection to the pool, or drops it where its state is open: a late answer may be under way on it.
pub(crate) fn give_back<T>(connection: PoolConnection<Postgres>, done: Result<T, Error>) -> Result<T, Error> {
    if matches!(done, Err(Error::Unavailable { .. })) {
        drop::<PgConnection>(connection.detach());
    }
    done
}
