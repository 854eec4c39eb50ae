//! What makes two batches the same batch.

use std::fmt::Display;
use std::io::Write as _;

use sha2::{Digest, Sha256};

use crate::{Invoice, canonical_rut};

/// The SHA-256 of the canonical invoices in their order: two spellings of one amount or one RUT give the same digest.
#[must_use]
pub fn fingerprint(invoices: &[Invoice]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut fields = Vec::new();
    for Invoice { number, rut, amount, issued_on } in invoices {
        fields.clear();
        add(&mut fields, number);
        add(&mut fields, canonical_rut(rut));
        add(&mut fields, amount.normalize());
        add(&mut fields, issued_on);
        digest.update(&fields);
    }
    digest.finalize().into()
}

/// The length keeps "ab" + "c" apart from "a" + "bc".
fn add(fields: &mut Vec<u8>, field: impl Display) {
    let begin = fields.len() + size_of::<u64>();
    fields.resize(begin, 0);
    // Writing to memory cannot fail.
    drop(write!(fields, "{field}"));
    let length = (fields.len() - begin) as u64;
    fields[begin - size_of::<u64>()..begin].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests;
