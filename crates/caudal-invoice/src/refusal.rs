//! Why a batch is not taken, in the shape the original's clients read.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::json::Node;
use crate::rule::Rule;

/// Why a request's body is no batch.
#[derive(Debug)]
pub enum Refusal {
    /// The body is no text, or JSON nested too deeply or with too long an integer: it could not be read.
    NotText,
    /// The list holds more invoices than [`crate::MAX_BATCH`].
    TooMany,
    /// The body is no JSON: the place and what Python's reader says. It hides every other complaint.
    Malformed(FieldError),
    /// What is wrong, one entry for each invalid field, in the order of the body.
    Invalid(Vec<FieldError>),
}

/// One entry of a 422 answer. It serialises as pydantic's, with the received value in `input`.
#[derive(Clone, Debug)]
pub struct FieldError {
    rule: Rule,
    location: Vec<Step>,
    input: Input,
}

/// A step of an error's `loc`.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Name(&'static str),
    Index(usize),
}

impl FieldError {
    /// The entry for a required header that is not there.
    #[must_use]
    pub fn missing_header(name: &'static str) -> Self {
        Self { rule: Rule::Missing, location: vec![Step::Name("header"), Step::Name(name)], input: Input::null() }
    }

    /// The entry for something in the body.
    pub(crate) fn in_body(rule: Rule, steps: &[Step], input: Input) -> Self {
        let location = [&[Step::Name("body")], steps].concat();
        Self { rule, location, input }
    }
}

impl Serialize for FieldError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_map(None)?;
        entry.serialize_entry("type", self.rule.name())?;
        entry.serialize_entry("loc", &self.location)?;
        entry.serialize_entry("msg", &self.rule.message())?;
        entry.serialize_entry("input", &*self.input.0)?;
        if let Some((name, value)) = self.rule.context() {
            entry.serialize_entry("ctx", &serde_json::Map::from_iter([(name.to_owned(), value)]))?;
        }
        if let Some(url) = self.rule.url() {
            entry.serialize_entry("url", &url)?;
        }
        entry.end()
    }
}

/// The value an entry complains about, ready to be sent; shared, for one object may miss several fields.
#[derive(Clone, Debug)]
pub(crate) struct Input(Arc<RawValue>);

impl Input {
    pub(crate) fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    pub(crate) fn empty_object() -> Self {
        Self::raw("{}".to_owned())
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::raw(crate::json::escape(text))
    }

    pub(crate) fn of(node: Node<'_>) -> Self {
        Self::raw(node.echo())
    }

    fn raw(json: String) -> Self {
        RawValue::from_string(json).map_or_else(|_| Self::null(), |raw| Self(raw.into()))
    }
}
