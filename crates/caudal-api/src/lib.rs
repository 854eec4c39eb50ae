#![doc = include_str!("../README.md")]

mod answer;
mod batches;
mod callers;
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

pub use callers::InvalidKeys;
pub use metrics::registry;
pub use options::{OnDuplicate, Options, RutCheck};
pub use serve::{Error, Listeners, serve};
