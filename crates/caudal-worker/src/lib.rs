#![doc = include_str!("../README.md")]

mod decision;
mod gate;
mod handler;
mod hands;
mod ledger;
mod metrics;
mod pace;
mod port;
mod processor;
mod reader;
mod settler;
mod shelf;
#[cfg(test)]
mod simulation;
mod worker;

pub use handler::{Answer, Delivery, Handler, Unavailable, Verdict};
pub use ledger::LedgerHandler;
pub use metrics::Metrics;
pub use worker::Worker;
