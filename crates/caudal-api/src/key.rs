//! The idempotency key: what makes two requests the same.

use axum::http::HeaderMap;
use caudal_invoice::FieldError;
use sha2::{Digest, Sha256};

const NAME: &str = "idempotency-key";

/// The digest of a request's key, for one caller: the header's bytes as they are, the first where there are several.
pub(crate) fn digest(headers: &HeaderMap, caller: &str) -> Result<[u8; 32], FieldError> {
    let value = headers.get(NAME).ok_or_else(|| FieldError::missing_header(NAME))?;
    let mut digest = Sha256::new();
    // The length keeps a caller's name apart from the key that follows.
    digest.update((caller.len() as u64).to_be_bytes());
    digest.update(caller.as_bytes());
    digest.update(value.as_bytes());
    Ok(digest.finalize().into())
}

#[cfg(test)]
mod tests;
