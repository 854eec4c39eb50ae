//! Records a set of invoices once, in one transaction.

use sqlx::{Connection, PgConnection};

use crate::ledger::{BEGIN, BEGIN_IN_A_HURRY, again, give_back, in_time};
use crate::schema::{self, PROGRAM};
use crate::set::Set;
use crate::{Entry, Error, Ledger, Outcome};

/// The two statements are in the function (`migrations/0002_record.sql`).
const RECORD: &str = "SELECT oldest, verdicts FROM record_invoices($1, $2, $3, $4, $5, $6, $7, $8, $9)";

impl Ledger {
    /// Records the entries, all or none, each once: whatever is asked again changes nothing, and is answered alike unless another
    /// version of the same invoice was recorded meanwhile.
    ///
    /// The newest version of an invoice stands, in whatever order versions arrive, and every client's balance is the
    /// sum of its invoices at every commit. The outcomes are in the order of the entries.
    ///
    /// # Errors
    /// [`Error::Rejected`] where PostgreSQL refuses the data of at least one entry, [`Error::Locked`] and [`Error::Slow`]
    /// where this set cannot be recorded now and others may, [`Error::Unavailable`] or [`Error::Outdated`], within some ten
    /// seconds.
    pub async fn record(&self, entries: &[Entry]) -> Result<Vec<Outcome>, Error> {
        self.record_after(BEGIN, entries).await
    }

    /// As [`Ledger::record`], but waits for a lock for 200 ms only, not for 3 s: for parts of a set that has waited in vain.
    ///
    /// # Errors
    /// Those of [`Ledger::record`].
    pub async fn record_in_a_hurry(&self, entries: &[Entry]) -> Result<Vec<Outcome>, Error> {
        self.record_after(BEGIN_IN_A_HURRY, entries).await
    }

    async fn record_after(&self, begin: &'static str, entries: &[Entry]) -> Result<Vec<Outcome>, Error> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let set = Set::of(entries);
        let outcomes = again(|| self.attempt(begin, &set)).await?;
        Ok(set.outcomes(&outcomes))
    }

    async fn attempt(&self, begin: &'static str, set: &Set<'_>) -> Result<Vec<Outcome>, Error> {
        let mut connection = self.connection().await?;
        let done = in_time(transaction(&mut connection, begin, set)).await;
        give_back(connection, done.map_err(Error::of_set))
    }
}

/// The call stays unnamed, so that any `PgBouncer` takes it.
async fn transaction(connection: &mut PgConnection, begin: &'static str, set: &Set<'_>) -> Result<Vec<Outcome>, Error> {
    let mut transaction = connection.begin_with(begin).await?;
    let (oldest, verdicts): (i32, Option<String>) = sqlx::query_as(RECORD)
        .persistent(false)
        .bind(PROGRAM)
        .bind(&set.ruts)
        .bind(&set.numbers)
        .bind(&set.amounts)
        .bind(&set.issued_on)
        .bind(&set.ruts_received)
        .bind(&set.batches)
        .bind(&set.versions)
        .bind(&set.received_at)
        .fetch_one(&mut *transaction)
        .await?;
    schema::allow(oldest)?;
    transaction.commit().await?;
    Ok(verdicts.unwrap_or_default().chars().map(outcome).collect())
}

const fn outcome(verdict: char) -> Outcome {
    match verdict {
        'n' | 'c' | 'd' => Outcome::Recorded,
        _ => Outcome::Unchanged,
    }
}
