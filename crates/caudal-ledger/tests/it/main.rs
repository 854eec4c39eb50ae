//! The ledger on a real PostgreSQL.

mod balances;
mod outage;
mod read;
mod record;
mod schema;
mod world;
