#![doc = include_str!("../README.md")]

mod answer;
mod batches;
mod clients;
mod invoices;
mod key;
mod lote;
mod metrics;
mod options;
mod path;
mod router;
mod serve;
mod span;
mod wire;

pub use metrics::registry;
pub use options::Options;
pub use serve::{Error, Listeners, serve};
