#![doc = include_str!("../README.md")]

mod export;
mod log;
pub mod metrics;
pub mod ops;
mod options;
mod setup;
pub mod trace;

pub use export::Error as CollectorError;
pub use options::{Format, Options};
pub use setup::{Error, Guard, init};
