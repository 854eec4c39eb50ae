//! Reads a client back: its balance and a page of its invoices, of one and the same moment.

use caudal_invoice::canonical_rut;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::ledger::{BEGIN, again, give_back, in_time};
use crate::{Error, Ledger};

/// A client with a page of its invoices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's key: its RUT made canonical.
    pub rut: String,
    /// The sum of all its invoices, with four decimals.
    pub balance: Decimal,
    /// How many invoices it has in all.
    pub count: i64,
    /// The page, by number, compared byte by byte.
    pub invoices: Vec<Invoice>,
    /// The number the next page begins with; none after the last page.
    pub next: Option<String>,
}

/// An invoice as it stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Its number.
    pub number: String,
    /// Its client's RUT as it was received.
    pub rut: String,
    /// Its amount, with four decimals.
    pub amount: Decimal,
    /// Its date.
    pub issued_on: NaiveDate,
    /// The batch that brought its content.
    pub batch: Uuid,
    /// When that batch was admitted.
    pub received_at: DateTime<Utc>,
}

const READ: &str = "
SELECT client.rut, client.balance, client.invoice_count, page.*
FROM clients AS client LEFT JOIN LATERAL (
    SELECT number, rut_received, amount, issued_on, batch_id, received_at FROM invoices
    WHERE invoices.rut = client.rut AND number >= $2 ORDER BY number LIMIT $3
) AS page ON true
WHERE client.rut = $1 ORDER BY page.number";

impl Ledger {
    /// The client of this RUT, in any spelling, with at most `limit` of its invoices from the number `from` on.
    ///
    /// # Errors
    /// [`Error::Unavailable`], within some ten seconds.
    pub async fn client(&self, rut: &str, from: &str, limit: u32) -> Result<Option<Client>, Error> {
        let rut = canonical_rut(rut);
        let rows = again(|| self.rows(&rut, from, limit)).await?;
        Ok(page(&rows, limit)?)
    }

    async fn rows(&self, rut: &str, from: &str, limit: u32) -> Result<Vec<PgRow>, Error> {
        let mut connection = self.connection().await?;
        let done = in_time(read(&mut connection, rut, from, limit)).await;
        give_back(connection, done)
    }
}

async fn read(connection: &mut PgConnection, rut: &str, from: &str, limit: u32) -> Result<Vec<PgRow>, Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let one_more = i64::from(limit) + 1;
    let query = sqlx::query(READ).persistent(false).bind(rut).bind(from).bind(one_more);
    let rows = query.fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// The rows as a page: the one beyond the limit only says where the next begins.
fn page(rows: &[PgRow], limit: u32) -> Result<Option<Client>, sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut client = Client {
        rut: first.try_get("rut")?,
        balance: first.try_get("balance")?,
        count: first.try_get("invoice_count")?,
        invoices: Vec::new(),
        next: None,
    };
    for row in rows {
        let Some(number) = row.try_get::<Option<String>, _>("number")? else { break };
        if client.invoices.len() == limit as usize {
            client.next = Some(number);
            break;
        }
        client.invoices.push(invoice(number, row)?);
    }
    Ok(Some(client))
}

fn invoice(number: String, row: &PgRow) -> Result<Invoice, sqlx::Error> {
    Ok(Invoice {
        number,
        rut: row.try_get("rut_received")?,
        amount: row.try_get("amount")?,
        issued_on: row.try_get("issued_on")?,
        batch: row.try_get("batch_id")?,
        received_at: row.try_get("received_at")?,
    })
}
