#![doc = include_str!("../README.md")]

mod advice;
mod channels;
mod client;
mod error;
mod options;
mod shared;

pub use advice::advice;
pub use channels::{Heard, Listener};
pub use client::Client;
pub use error::{Error, Fault};
pub use options::{Options, SecretUrl};
pub use shared::Shared;
