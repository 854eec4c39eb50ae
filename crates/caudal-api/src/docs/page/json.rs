//! JSON for people: names in the order in which the types have them, short lists on one line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{list, members, string};

/// The widest line.
const WIDTH: usize = 72;

/// Where each name stands among the others.
pub(super) struct Order<'d>(BTreeMap<&'d str, usize>);

impl<'d> Order<'d> {
    /// The order of the fields in the document's schemas.
    pub(super) fn of(document: &'d Value) -> Self {
        let mut order = BTreeMap::new();
        for (_, schema) in members(&document["components"]["schemas"]) {
            for name in list(&schema["required"]) {
                let place = order.len();
                order.entry(string(name)).or_insert(place);
            }
        }
        Self(order)
    }

    /// The members of an object in their order; unknown names come last.
    pub(super) fn members<'v>(&self, object: &'v Value) -> Vec<(&'v str, &'v Value)> {
        let mut members: Vec<_> = members(object).collect();
        members.sort_by_key(|(name, _)| self.0.get(name).copied().unwrap_or(usize::MAX));
        members
    }

    /// A value as text.
    pub(super) fn pretty(&self, value: &Value) -> String {
        self.write(value, 0)
    }

    fn write(&self, value: &Value, depth: usize) -> String {
        let flat = self
            .parts(value, |part| self.write(part, depth))
            .map_or_else(|| value.to_string(), |(open, parts, close)| format!("{open}{}{close}", parts.join(", ")));
        if depth > 0 && flat.len() + 2 * depth <= WIDTH && !flat.contains('\n') {
            return flat;
        }
        match self.parts(value, |part| self.write(part, depth + 1)) {
            Some((open, parts, close)) if !parts.is_empty() => {
                let (outer, inner) = ("  ".repeat(depth), "  ".repeat(depth + 1));
                format!("{open}\n{inner}{}\n{outer}{close}", parts.join(&format!(",\n{inner}")))
            }
            _ => flat,
        }
    }

    fn parts(&self, value: &Value, write: impl Fn(&Value) -> String) -> Option<(char, Vec<String>, char)> {
        match value {
            Value::Array(values) => Some(('[', values.iter().map(write).collect(), ']')),
            Value::Object(_) => {
                let named = |(name, value): (&str, &Value)| format!("{}: {}", Value::from(name), write(value));
                Some(('{', self.members(value).into_iter().map(named).collect(), '}'))
            }
            _ => None,
        }
    }
}
