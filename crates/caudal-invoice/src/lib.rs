#![doc = include_str!("../README.md")]

mod amount;
mod batch;
pub mod chunk;
mod content_type;
mod date;
mod fingerprint;
mod invoice;
mod json;
mod refusal;
mod rule;
mod rut;

pub use amount::{DECIMALS, WHOLE_DIGITS};
pub use batch::{MAX_BATCH, MAX_NUMBER_LENGTH, MAX_RUT_LENGTH, parse_batch};
pub use fingerprint::fingerprint;
pub use invoice::Invoice;
pub use refusal::{FieldError, Refusal};
pub use rut::{RutCheck, canonical_rut, check_digit};
