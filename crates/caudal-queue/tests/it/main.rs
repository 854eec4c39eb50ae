//! The queue against a real Redis.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod admit;
mod keys;
mod lease;
mod look;
mod metrics;
mod outage;
mod settle;
mod wake;
mod world;
