//! The bytes of a chunk: how a part of a batch travels through the queue.
//!
//! The first byte is the format's number. Format 1 is then a JSON list of `[number, rut, amount, issued_on]`, all texts.

use std::fmt::Write as _;

use crate::{Invoice, json};

/// The most invoices one chunk holds.
pub const MAX_INVOICES: usize = 250;

const FORMAT: u8 = 1;

/// Why a chunk could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Written by a newer program: leave it to a newer worker.
    #[error("the chunk has format {0}, this program reads up to {FORMAT}")]
    Newer(u8),
    /// No program can read it. The text never quotes the content.
    #[error("the chunk is damaged: {0}")]
    Damaged(String),
}

/// A batch's chunks in their order: the bytes of each, and how many invoices it holds.
pub fn cut(invoices: &[Invoice]) -> impl Iterator<Item = (Vec<u8>, u32)> {
    invoices.chunks(MAX_INVOICES).map(|part| (encode(part), part.len() as u32))
}

/// The bytes of a chunk of these invoices.
#[must_use]
pub fn encode(invoices: &[Invoice]) -> Vec<u8> {
    let mut rows = String::with_capacity(2 + 64 * invoices.len());
    for Invoice { number, rut, amount, issued_on } in invoices {
        rows.push(if rows.is_empty() { '[' } else { ',' });
        rows.push('[');
        json::escape_into(&mut rows, number);
        rows.push(',');
        json::escape_into(&mut rows, rut);
        // Writing to a string cannot fail.
        let _ = write!(rows, ",\"{}\",\"{issued_on}\"]", amount.normalize());
    }
    rows.push_str(if rows.is_empty() { "[]" } else { "]" });
    [&[FORMAT], rows.as_bytes()].concat()
}

/// The invoices of a chunk, in their order.
///
/// # Errors
/// [`Error::Newer`] when the format is unknown yet, [`Error::Damaged`] when the bytes are not a chunk.
pub fn decode(bytes: &[u8]) -> Result<Vec<Invoice>, Error> {
    match bytes.split_first() {
        Some((&FORMAT, rows)) => decode_rows(rows),
        Some((&format, _)) if format > FORMAT => Err(Error::Newer(format)),
        Some((format, _)) => Err(Error::Damaged(format!("there is no format {format}"))),
        None => Err(Error::Damaged("it is empty".to_owned())),
    }
}

fn decode_rows(bytes: &[u8]) -> Result<Vec<Invoice>, Error> {
    let rows: Vec<(String, String, String, String)> =
        serde_json::from_slice(bytes).map_err(|error| damaged_at(&error))?;
    rows.into_iter().map(invoice).collect()
}

fn invoice((number, rut, amount, issued_on): (String, String, String, String)) -> Result<Invoice, Error> {
    let amount = amount.parse().map_err(|_| Error::Damaged("an amount is no decimal".to_owned()))?;
    let issued_on = issued_on.parse().map_err(|_| Error::Damaged("a day of issue is no date".to_owned()))?;
    Ok(Invoice { number, rut, amount, issued_on })
}

fn damaged_at(error: &serde_json::Error) -> Error {
    Error::Damaged(format!("{:?} error at byte {}", error.classify(), error.column()))
}

#[cfg(test)]
mod tests;
