//! What makes two batches the same batch.

use sha2::{Digest, Sha256};

use crate::Invoice;

/// The SHA-256 of the canonical invoices in their order: two spellings of one amount or one RUT give the same digest.
#[must_use]
pub fn fingerprint(invoices: &[Invoice]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for Invoice { number, rut, amount, issued_on } in invoices {
        for field in [number.clone(), crate::canonical_rut(rut), amount.normalize().to_string(), issued_on.to_string()]
        {
            // The length keeps "ab" + "c" apart from "a" + "bc".
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field.as_bytes());
        }
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
