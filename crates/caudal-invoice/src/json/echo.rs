//! Values written again, as JSON that every client can read.

use std::fmt::Write as _;

use super::node::{Kind, Node};
use super::scan::Scanner;

impl Node<'_> {
    /// The value as strict JSON on one line: numbers as written, names that are no JSON (`NaN`) as texts, U+FFFD in
    /// the place of lone surrogates.
    pub(crate) fn echo(self) -> String {
        let mut json = String::with_capacity(self.raw().len());
        let mut scanner = Scanner::new(self.raw());
        loop {
            scanner.skip_space();
            match scanner.peek() {
                Some(mark @ (b'[' | b']' | b'{' | b'}' | b',' | b':')) => {
                    scanner.accept(mark);
                    json.push(char::from(mark));
                }
                Some(_) => match scanner.value() {
                    Ok(scalar) => write_scalar(&mut json, scalar),
                    Err(_) => return json,
                },
                None => return json,
            }
        }
    }
}

fn write_scalar(json: &mut String, scalar: Node<'_>) {
    match scalar.kind() {
        Kind::Integer | Kind::Float => json.push_str(scalar.number()),
        Kind::NotFinite => escape_into(json, scalar.number()),
        Kind::PlainText | Kind::EscapedText => {
            if let Some(text) = scalar.text() {
                escape_into(json, &text.value);
            }
        }
        Kind::Null => json.push_str("null"),
        Kind::Bool(value) => json.push_str(if value { "true" } else { "false" }),
        Kind::List | Kind::Object => {}
    }
}

/// A text as a JSON string, quotes included.
pub(crate) fn escape(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    escape_into(&mut json, text);
    json
}

/// Appends a text as a JSON string, quotes included.
pub(crate) fn escape_into(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        json.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            mark @ (b'"' | b'\\') => json.extend(['\\', char::from(mark)]),
            // Writing to a string cannot fail.
            control => drop(write!(json, "\\u{control:04x}")),
        }
        rest = &rest[at + 1..];
    }
    json.push_str(rest);
    json.push('"');
}
