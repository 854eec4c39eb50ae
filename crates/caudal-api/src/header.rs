//! The values of headers.

use axum::http::HeaderValue;

/// A header's text: each byte a character of Latin-1, as the original read it.
pub(crate) fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}
