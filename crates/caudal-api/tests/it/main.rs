//! The API on real sockets, with a real Redis and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod callers;
mod clients;
mod compat;
mod documents;
mod door;
mod fuzz;
mod lifecycle;
mod limits;
mod outages;
mod raw;
mod site;
mod streams;
