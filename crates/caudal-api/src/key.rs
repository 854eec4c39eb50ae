//! The idempotency key: what makes two requests the same.

use axum::http::HeaderMap;
use caudal_invoice::FieldError;
use caudal_queue::key_digest;

const NAME: &str = "idempotency-key";

/// The digest of a request's key, for one caller: the header's bytes as they are, the first where there are several.
pub(crate) fn digest(headers: &HeaderMap, caller: &str) -> Result<[u8; 32], FieldError> {
    let value = headers.get(NAME).ok_or_else(|| FieldError::missing_header(NAME))?;
    Ok(key_digest(caller, value.as_bytes()))
}

#[cfg(test)]
mod tests;
