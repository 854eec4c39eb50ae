//! The readers, asked everything.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fuzz;
mod soup;
