//! Records a set of invoices once, in one transaction of two statements.

use sqlx::{Connection, PgConnection};

use crate::ledger::{BEGIN, again, give_back, in_time};
use crate::schema;
use crate::set::Set;
use crate::{Entry, Error, Ledger, Outcome};

/// Makes or locks the clients in their order, so that no two sets wait for each other, and writes no row that stands.
/// On the way it learns which programs the tables allow.
const LOCK_CLIENTS: &str = r#"
WITH locked AS (
    INSERT INTO clients AS client (rut)
    SELECT rut FROM unnest($1::text[]) AS given (rut) ORDER BY rut COLLATE "C"
    ON CONFLICT (rut) DO UPDATE SET balance = client.balance WHERE false
)
SELECT oldest_program FROM compatibility"#;

/// Writes the invoices and moves the balances. Reads and writes see the same state, which the clients' rows, locked by
/// the statement before this one, keep still: a snapshot taken together with the locks would be too old.
///
/// Verdicts: (n)ew, (c)hanged, (s)ame content with a newer version, (d)elivered before, (o)ld.
const RECORD: &str = r#"
WITH given AS (
    SELECT rut, number, amount::numeric(20, 4) AS amount, issued_on, rut_received, batch_id, version, received_at, place
    FROM unnest($1::text[], $2::text[], $3::numeric[], $4::date[], $5::text[], $6::uuid[], $7::bigint[],
        $8::timestamptz[]) WITH ORDINALITY
        AS given (rut, number, amount, issued_on, rut_received, batch_id, version, received_at, place)
), judged AS MATERIALIZED (
    SELECT given.*, given.amount - coalesce(stands.amount, 0) AS delta,
        CASE
            WHEN stands.version IS NULL THEN 'n'
            WHEN stands.version = given.version AND stands.batch_id = given.batch_id THEN 'd'
            WHEN stands.version >= given.version THEN 'o'
            WHEN stands.amount = given.amount AND stands.issued_on = given.issued_on THEN 's'
            ELSE 'c'
        END AS verdict
    FROM given LEFT JOIN invoices AS stands
        ON stands.rut = given.rut COLLATE "C" AND stands.number = given.number COLLATE "C"
), made AS (
    INSERT INTO invoices (rut, number, amount, issued_on, rut_received, batch_id, version, received_at)
    SELECT rut, number, amount, issued_on, rut_received, batch_id, version, received_at
    FROM judged WHERE verdict = 'n' ORDER BY place
), changed AS (
    UPDATE invoices AS invoice
    SET amount = judged.amount, issued_on = judged.issued_on, rut_received = judged.rut_received,
        batch_id = judged.batch_id, version = judged.version, received_at = judged.received_at, updated_at = now()
    FROM judged WHERE judged.verdict = 'c'
        AND invoice.rut = judged.rut COLLATE "C" AND invoice.number = judged.number COLLATE "C"
), raised AS (
    UPDATE invoices AS invoice SET version = judged.version
    FROM judged WHERE judged.verdict = 's'
        AND invoice.rut = judged.rut COLLATE "C" AND invoice.number = judged.number COLLATE "C"
), moved AS (
    UPDATE clients AS client
    SET balance = client.balance + movement.delta, invoice_count = client.invoice_count + movement.made,
        updated_at = now()
    FROM (
        SELECT rut, sum(delta) AS delta, count(*) FILTER (WHERE verdict = 'n') AS made
        FROM judged WHERE verdict IN ('n', 'c') GROUP BY rut
    ) AS movement
    WHERE client.rut = movement.rut COLLATE "C" AND (movement.delta <> 0 OR movement.made > 0)
)
SELECT coalesce(string_agg(verdict, '' ORDER BY place), '') FROM judged"#;

impl Ledger {
    /// Records the entries, all or none, each once: whatever is asked again changes nothing and is answered alike.
    ///
    /// The newest version of an invoice stands, in whatever order versions arrive, and every client's balance is the
    /// sum of its invoices at every commit. The outcomes are in the order of the entries.
    ///
    /// # Errors
    /// [`Error::Rejected`] where PostgreSQL refuses the data of at least one entry, [`Error::Unavailable`] or
    /// [`Error::Outdated`], within some ten seconds.
    pub async fn record(&self, entries: &[Entry]) -> Result<Vec<Outcome>, Error> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let set = Set::of(entries);
        let outcomes = again(|| self.attempt(&set)).await?;
        Ok(set.outcomes(&outcomes))
    }

    async fn attempt(&self, set: &Set<'_>) -> Result<Vec<Outcome>, Error> {
        let mut connection = self.connection().await?;
        let done = in_time(transaction(&mut connection, set)).await;
        give_back(connection, done)
    }
}

/// The statements stay unnamed, so each is planned for the tables as they are, and any `PgBouncer` takes them.
async fn transaction(connection: &mut PgConnection, set: &Set<'_>) -> Result<Vec<Outcome>, Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let oldest = sqlx::query_scalar(LOCK_CLIENTS).persistent(false).bind(set.clients());
    schema::allow(oldest.fetch_one(&mut *transaction).await?)?;
    let verdicts: String = sqlx::query_scalar(RECORD)
        .persistent(false)
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
    transaction.commit().await?;
    Ok(verdicts.chars().map(outcome).collect())
}

const fn outcome(verdict: char) -> Outcome {
    match verdict {
        'n' | 'c' | 'd' => Outcome::Recorded,
        _ => Outcome::Unchanged,
    }
}
