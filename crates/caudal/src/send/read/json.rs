//! A JSON list, element by element.

use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;

use serde::Deserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Element, Item, Take};

/// Reads the list; its elements keep their text.
pub(super) fn read(reader: impl Read, take: &mut Take<'_>) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_reader(reader);
    let mut stopped = false;
    match json.deserialize_seq(Elements { take, stopped: &mut stopped }) {
        Err(_) if stopped => Ok(()),
        Err(error) => Err(error),
        Ok(()) => json.end(),
    }
}

struct Elements<'a, 'b> {
    take: &'a mut Take<'b>,
    stopped: &'a mut bool,
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of invoices")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for place in 1.. {
            let Some(json) = list.next_element::<Box<RawValue>>()? else { break };
            if let ControlFlow::Break(()) = (self.take)(Item::Element(Element { place, json })) {
                *self.stopped = true;
                return Err(A::Error::custom("nobody listens any more"));
            }
        }
        Ok(())
    }
}
