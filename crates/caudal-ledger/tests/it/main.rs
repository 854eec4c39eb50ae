//! The ledger on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

mod balances;
mod bouncer;
mod collisions;
mod cuts;
mod outage;
mod proxy;
mod read;
mod record;
mod schema;
mod world;
