//! The executable as its users meet it: real processes on a real Redis and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admission;
mod adopt;
mod cli;
mod client;
mod collector;
mod compose;
mod control_plane;
mod dead;
mod dev;
mod documents;
mod door;
mod examples;
mod faults;
mod full;
mod leaders;
mod long;
mod metrics;
mod queue;
mod send;
mod settings;
mod soak;
mod stack;
mod tidy;
mod tls;
mod trace;
