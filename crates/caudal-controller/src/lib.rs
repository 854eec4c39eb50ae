#![doc = include_str!("../README.md")]

mod backoff;
mod conditions;
pub mod crd;
mod error;
mod gate;
mod herd;
mod lease;
mod metrics;
mod news;
mod options;
mod pods;
mod report;
mod rival;
mod run;
mod scaler;
mod source;
mod surroundings;
mod target;
mod verdict;
mod watched;
mod workloads;

pub use error::Error;
pub use metrics::Metrics;
pub use options::Options;
pub use run::{run, run_on};
