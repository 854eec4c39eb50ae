#![doc = include_str!("../README.md")]

mod admit;
mod batch;
mod consumer;
mod dead;
mod door;
mod entry;
mod error;
mod hand;
mod hold;
mod keys;
mod lease;
mod look;
mod metrics;
mod options;
mod queue;
mod scripts;
mod server;
mod settle;
mod settlement;
mod upkeep;
mod wake;

pub use batch::{Admission, Batch, Chunk};
pub use consumer::{Consumer, LONGEST_BLOCK, Reclaimed};
pub use dead::DeadLetter;
pub use entry::{EntryId, InvalidEntryId};
pub use error::Error;
pub use lease::Lease;
pub use look::{Backlog, Rejection, Status};
pub use options::{InvalidName, Name, Options};
pub use queue::{LEASE, Queue};
pub use server::{Durability, Fsync, Memory};
pub use settlement::{Rejected, Retried, Settled, Settlement};
pub use upkeep::Check;
