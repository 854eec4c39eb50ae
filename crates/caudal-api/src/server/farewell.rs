//! The last words on a connection: what a client hears whose bytes became no request.

use axum::body::to_bytes;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};

use crate::answer::Answer;

/// How a connection with one request at a time ended.
#[derive(Clone, Copy, Default)]
pub(super) struct End<'b> {
    /// Bytes came that no request was made of, or a request was made and is not answered.
    pub(super) open: bool,
    /// The bytes were no request.
    pub(super) malformed: bool,
    /// They were too many for the head of a request.
    pub(super) too_large: bool,
    /// The client took too long.
    pub(super) late: bool,
    /// Nothing is waited for any more.
    pub(super) closed: bool,
    /// The bytes no request was made of.
    pub(super) unread: &'b [u8],
}

impl End<'_> {
    /// What is still to be said, if anything was asked.
    pub(super) fn answer(&self) -> Option<Answer> {
        let first_line = self.unread.split(|byte| *byte == b'\n').next().unwrap_or_default();
        match self {
            Self { too_large: true, .. } if first_line.len() == self.unread.len() => Some(Answer::LongUri),
            Self { too_large: true, .. } => Some(Answer::LongHead),
            Self { malformed: true, .. } if is_other_version(first_line) => Some(Answer::OtherVersion),
            Self { malformed: true, .. } => Some(Answer::NoRequest),
            Self { open: false, .. } => None,
            Self { late: true, .. } => Some(Answer::Slow),
            Self { closed: true, .. } => Some(Answer::Unavailable),
            Self { .. } => Some(Answer::NoRequest),
        }
    }
}

/// Whether a request line names an HTTP that is not spoken here.
fn is_other_version(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.split(|byte| *byte == b' ').nth(2).is_some_and(|version| version.starts_with(b"HTTP/"))
        && !line.ends_with(b" HTTP/1.1")
        && !line.ends_with(b" HTTP/1.0")
}

/// A whole answer in bytes, the last on its connection.
pub(super) async fn write(answer: Answer, now: DateTime<Utc>) -> Vec<u8> {
    let (head, body) = answer.into_response().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut text = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let length = body.len().to_string();
    let own = [("content-length", length.as_bytes()), ("connection", b"close"), ("date", date.as_bytes())];
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    for (name, value) in headers.filter(|(name, _)| *name != "connection").chain(own) {
        text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend([b"\r\n", &*body].concat());
    text
}

#[cfg(test)]
mod tests;
