#![doc = include_str!("../README.md")]

mod client;
mod condition;
mod error;
mod ledger;
mod metrics;
mod options;
mod record;
mod schema;
mod set;

pub use client::{Client, Invoice};
pub use error::Error;
pub use ledger::Ledger;
pub use options::{DatabaseUrl, Options};
pub use set::{Entry, Outcome};
