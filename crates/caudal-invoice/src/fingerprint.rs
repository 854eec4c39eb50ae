//! What makes two batches the same batch.

use sha2::{Digest, Sha256};

use crate::{Invoice, canonical_rut};

/// The SHA-256 of the canonical invoices in their order: two spellings of one amount or one RUT give the same digest.
#[must_use]
pub fn fingerprint(invoices: &[Invoice]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for Invoice { number, rut, amount, issued_on } in invoices {
        feed(&mut digest, number);
        feed(&mut digest, &canonical_rut(rut));
        feed(&mut digest, &amount.normalize().to_string());
        feed(&mut digest, &issued_on.to_string());
    }
    digest.finalize().into()
}

/// The length keeps "ab" + "c" apart from "a" + "bc".
fn feed(digest: &mut Sha256, field: &str) {
    digest.update((field.len() as u64).to_be_bytes());
    digest.update(field.as_bytes());
}

#[cfg(test)]
mod tests;
