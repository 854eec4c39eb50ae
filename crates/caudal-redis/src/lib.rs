#![doc = include_str!("../README.md")]

mod client;
mod error;
mod options;
mod shared;

pub use client::Client;
pub use error::{Error, Fault};
pub use options::{Options, SecretUrl};
pub use shared::Shared;
