//! The idempotency key: what makes two requests the same.

use sha2::{Digest, Sha256};

/// The digest of an idempotency key, its bytes as they are, for one caller: what [`crate::Batch::key`] holds.
pub fn key_digest(caller: &str, key: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    // The length keeps a caller's name apart from the key that follows.
    digest.update((caller.len() as u64).to_be_bytes());
    digest.update(caller.as_bytes());
    digest.update(key);
    digest.finalize().into()
}
