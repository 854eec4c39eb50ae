#![doc = include_str!("../README.md")]

mod handler;
mod hands;
mod ledger;
mod metrics;
mod pace;
mod process;
mod settle;
mod worker;

pub use handler::{Answer, Delivery, Handler, Unavailable, Verdict};
pub use ledger::LedgerHandler;
pub use metrics::Metrics;
pub use worker::Worker;
