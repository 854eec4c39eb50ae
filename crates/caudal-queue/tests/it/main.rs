//! The queue against a real Redis.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod access;
mod admit;
mod dead;
mod door;
mod keys;
mod lease;
mod look;
mod metrics;
mod model;
mod newer;
mod outage;
mod paging;
mod retry;
mod settle;
mod upkeep;
mod wake;
mod world;
