//! A PostgreSQL with a fresh ledger, and entries to record in it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use caudal_invoice::Invoice;
use caudal_ledger::{Entry, Ledger, Options};
use caudal_testkit::{Postgres, wait};
use chrono::{DateTime, NaiveDate};
use rust_decimal::Decimal;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

/// The server of all tests that leave it running; it ends with the last of them.
static SHARED: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());

pub(crate) struct World {
    url: String,
    pub(crate) port: u16,
    pub(crate) ledger: Ledger,
    _server: Option<Arc<Postgres>>,
}

impl World {
    /// A database whose ledger has its tables.
    pub(crate) async fn start() -> Self {
        let world = Self::bare().await;
        world.ledger.migrate().await.unwrap();
        world
    }

    /// An empty database.
    pub(crate) async fn bare() -> Self {
        let mut shared = SHARED.lock().await;
        let server = match shared.upgrade() {
            Some(server) => server,
            None => Arc::new(Postgres::start().await.unwrap()),
        };
        *shared = Arc::downgrade(&server);
        Self { _server: Some(Arc::clone(&server)), ..Self::on(&server).await }
    }

    /// An empty database on a server of the test's own.
    pub(crate) async fn on(server: &Postgres) -> Self {
        let url = server.database().await.unwrap();
        let ledger = ledger(&url);
        Self { url, port: server.port(), ledger, _server: None }
    }

    /// A program on the same database by another way.
    pub(crate) fn by_way_of(&self, port: u16) -> Ledger {
        let (_, database) = self.url.rsplit_once('/').unwrap();
        ledger(&format!("postgres://caudal@127.0.0.1:{port}/{database}?sslmode=disable"))
    }

    /// A session of the test's own by another way.
    pub(crate) async fn session_by_way_of(&self, port: u16) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        PgConnection::connect_with(&options.port(port).extra_float_digits(None)).await.unwrap()
    }

    /// Waits until a session of the database waits for a lock.
    pub(crate) async fn someone_waits(&self) {
        const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let mut session = self.session().await;
        wait::until("someone waits for a lock", Duration::from_secs(5), async || {
            let waiting: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut session).await.unwrap();
            if waiting > 0 { Ok(()) } else { Err(waiting) }
        })
        .await
        .unwrap();
    }

    /// Another program on the same database.
    pub(crate) fn another(&self) -> Ledger {
        ledger(&self.url)
    }

    pub(crate) async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.session().await).await.unwrap();
    }

    /// The clients whose row does not say the sum and the number of their invoices.
    pub(crate) async fn wrong_balances(&self) -> i64 {
        const WRONG: &str = "
            SELECT count(*) FROM clients FULL JOIN (
                SELECT rut, sum(amount) AS balance, count(*) AS invoice_count FROM invoices GROUP BY rut
            ) AS counted USING (rut)
            WHERE clients.balance IS DISTINCT FROM counted.balance
                OR clients.invoice_count IS DISTINCT FROM counted.invoice_count";
        sqlx::query_scalar(WRONG).fetch_one(&mut self.session().await).await.unwrap()
    }

    /// The balance of a client that is there.
    pub(crate) async fn balance(&self, rut: &str) -> Decimal {
        self.ledger.client(rut, "", 1).await.unwrap().unwrap().balance
    }
}

fn ledger(url: &str) -> Ledger {
    Ledger::new(&Options { database_url: url.into() }).unwrap()
}

/// An entry of the batch that is numbered like its version.
pub(crate) fn entry(rut: &str, number: &str, amount: &str, version: i64) -> Entry {
    Entry {
        invoice: Invoice {
            number: number.to_owned(),
            rut: rut.to_owned(),
            amount: amount.parse().unwrap(),
            issued_on: NaiveDate::from_ymd_opt(2024, 1, 31).unwrap(),
        },
        version,
        batch: Uuid::from_u128(version.unsigned_abs().into()),
        received_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
    }
}

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}
