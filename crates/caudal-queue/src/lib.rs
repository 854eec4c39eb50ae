#![doc = include_str!("../README.md")]

mod admit;
mod batch;
mod consumer;
mod error;
mod hand;
mod keys;
mod lease;
mod look;
mod metrics;
mod options;
mod queue;
mod ready;
mod scripts;
mod settle;
mod wake;

pub use batch::{Admission, Batch, Chunk};
pub use consumer::{Consumer, LONGEST_BLOCK, Reclaimed};
pub use error::Error;
pub use lease::{EntryId, Lease};
pub use look::{Backlog, Rejection, Status};
pub use options::{InvalidName, Name, Options};
pub use queue::{LEASE, Queue};
pub use settle::{Rejected, Settled, Settlement};
