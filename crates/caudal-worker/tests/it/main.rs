//! The worker between a real Redis and a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

mod appetite;
mod drain;
mod example;
mod faults;
mod held_up;
mod recording;
mod world;
