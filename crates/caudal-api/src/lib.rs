#![doc = include_str!("../README.md")]

mod answer;
mod batches;
mod body;
mod callers;
mod clients;
mod docs;
mod header;
mod invoices;
mod key;
mod limits;
mod location;
mod lote;
mod metrics;
mod options;
mod path;
mod pressure;
mod room;
mod router;
mod serve;
mod server;
mod span;
mod wire;

pub use callers::InvalidKeys;
pub use limits::Limits;
pub use metrics::registry;
pub use options::{OnDuplicate, Options, RutCheck};
pub use serve::{Error, Listeners, serve};
