#![doc = include_str!("../README.md")]

mod conditions;
pub mod crd;
mod error;
mod herd;
mod lease;
mod news;
mod options;
mod report;
mod rival;
mod run;
mod scaler;
mod source;
mod target;
mod verdict;

pub use error::Error;
pub use options::Options;
pub use run::{run, run_on};
