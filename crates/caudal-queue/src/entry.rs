//! An entry of the stream: its id, and the bytes that travel unchanged from admission through retries and dead letters.
//!
//! One field, `e`: the format's number, the version of the batch's first invoice (8 bytes), position (4), count (4), failed
//! attempts (2), whether it is suspect (1), the length of the trace context (1), the batch's id (16), the trace context, and
//! the payload. Numbers are big-endian. The scripts know the places of `count` and of the trace context, and what
//! admission puts before the rest.

use std::{fmt, str::FromStr};

use redis::{FromRedisValue, ParsingError, Value, from_redis_value, from_redis_value_ref};
use uuid::Uuid;

/// The name of the one field.
const FIELD: &[u8] = b"e";
/// The format that is written. Newer ones are left alone.
const FORMAT: u8 = 1;

/// Id of a stream entry. Ordered as the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// When it was added, by Redis' clock, in milliseconds.
    pub(crate) millis: u64,
    pub(crate) sequence: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

/// The text is no id of an entry.
#[derive(Debug, thiserror::Error)]
#[error("an id: two numbers with a hyphen between them")]
pub struct InvalidEntryId;

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let (millis, sequence) = text.split_once('-').ok_or(InvalidEntryId)?;
        let number = |text: &str| text.parse().map_err(|_| InvalidEntryId);
        Ok(Self { millis: number(millis)?, sequence: number(sequence)? })
    }
}

impl FromRedisValue for EntryId {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let text: String = from_redis_value(value)?;
        text.parse().map_err(|error: InvalidEntryId| ParsingError::from(error.to_string()))
    }

    fn from_redis_value_ref(value: &Value) -> Result<Self, ParsingError> {
        let text: String = from_redis_value_ref(value)?;
        text.parse().map_err(|error: InvalidEntryId| ParsingError::from(error.to_string()))
    }
}

/// An entry as Redis gives it.
pub(crate) type Raw = (EntryId, Vec<(Vec<u8>, Vec<u8>)>);

/// What an entry says of its invoices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Version of the batch's first invoice. Admission sets it.
    pub(crate) first_version: i64,
    /// Position of the entry's first invoice in its batch.
    pub(crate) position: u32,
    /// How many invoices the payload holds.
    pub(crate) count: u32,
    /// Failed attempts so far.
    pub(crate) attempts: u16,
    /// Part of a chunk whose workers died.
    pub(crate) suspect: bool,
    pub(crate) batch: Uuid,
    pub(crate) traceparent: Option<String>,
}

/// What the bytes turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An entry with its payload.
    Known(Head, Vec<u8>),
    /// An entry of a program newer than this one.
    Newer,
    /// Nothing an admission wrote: all its bytes.
    Foreign(Vec<u8>),
}

impl Head {
    /// The entry's bytes.
    pub(crate) fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend(self.first_version.to_be_bytes());
        self.extend_rest(&mut bytes, payload);
        bytes
    }

    /// The bytes that follow format and version.
    pub(crate) fn encode_rest(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + payload.len());
        self.extend_rest(&mut bytes, payload);
        bytes
    }

    fn extend_rest(&self, bytes: &mut Vec<u8>, payload: &[u8]) {
        let trace = self.traceparent.as_deref().unwrap_or_default().as_bytes();
        // A trace context has 55 bytes; one that is too long for its place is left out.
        let (length, trace) = u8::try_from(trace.len()).map_or((0, [].as_slice()), |length| (length, trace));
        bytes.extend(self.position.to_be_bytes());
        bytes.extend(self.count.to_be_bytes());
        bytes.extend(self.attempts.to_be_bytes());
        bytes.extend([u8::from(self.suspect), length]);
        bytes.extend(self.batch.as_bytes());
        bytes.extend(trace);
        bytes.extend(payload);
    }
}

/// Reads an entry's fields.
pub(crate) fn read(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Content {
    match fields.as_slice() {
        [(name, bytes)] if name == FIELD => decode(bytes),
        _ => Content::Foreign(
            fields.into_iter().flat_map(|(name, value)| [name, vec![b'='], value, vec![b'\n']].concat()).collect(),
        ),
    }
}

/// Reads an entry's bytes.
pub(crate) fn decode(bytes: &[u8]) -> Content {
    match bytes.first() {
        Some(&format) if format > FORMAT => Content::Newer,
        Some(&FORMAT) => known(bytes).unwrap_or_else(|| Content::Foreign(bytes.to_vec())),
        _ => Content::Foreign(bytes.to_vec()),
    }
}

fn known(bytes: &[u8]) -> Option<Content> {
    let rest = bytes.get(1..)?;
    let (version, rest) = rest.split_first_chunk()?;
    let (position, rest) = rest.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let (attempts, rest) = rest.split_first_chunk()?;
    let (&[suspect, trace], rest) = rest.split_first_chunk()?;
    let (batch, rest) = rest.split_first_chunk()?;
    let (trace, payload) = rest.split_at_checked(trace.into())?;
    let head = Head {
        first_version: i64::from_be_bytes(*version),
        position: u32::from_be_bytes(*position),
        count: u32::from_be_bytes(*count),
        attempts: u16::from_be_bytes(*attempts),
        suspect: suspect != 0,
        batch: Uuid::from_bytes(*batch),
        traceparent: (!trace.is_empty()).then(|| String::from_utf8_lossy(trace).into_owned()),
    };
    Some(Content::Known(head, payload.to_vec()))
}

#[cfg(test)]
mod tests;
