//! The controller on a real API server and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod api_server;
mod authority;
mod celery;
mod definition;
mod janitor;
mod last_worker;
mod leading;
mod long;
mod numbers;
mod outage;
mod pods;
mod proxy;
mod record;
mod rivals;
mod scaling;
mod sources;
mod targets;
mod watches;
mod world;
mod writing;
