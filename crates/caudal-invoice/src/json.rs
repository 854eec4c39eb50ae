//! Python's JSON, as the original's clients know it: read in place, never copied into a tree.
//!
//! [`read`] checks a whole document and gives its root and what is in it; [`Node`] walks further. What differs from RFC 8259, as in
//! Python's `json`: `NaN`, `Infinity` and `-Infinity` are values, lone surrogates are characters, of members with one
//! name the last wins, and an integer of more than 4,300 digits cannot be read. Numbers stay text, so that amounts
//! are exact. Depth is bounded.

mod echo;
mod encoding;
mod node;
mod scan;

pub(crate) use echo::{escape, escape_into};
pub(crate) use encoding::decode;
pub(crate) use node::{Kind, Node};
pub(crate) use scan::{Document, Error, read};

#[cfg(test)]
mod tests;
