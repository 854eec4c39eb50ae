#![doc = include_str!("../README.md")]

mod error;
mod source;

pub use error::Error;
pub use source::{List, Source, Work};
