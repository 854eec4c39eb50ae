//! What goes into one request, and the key that makes its repetition harmless.

use std::collections::{BTreeSet, HashMap};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::claims;

/// A batch is cut before it grows over this many bytes; the API takes twice as many.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// One invoice as the file has it.
#[derive(Debug)]
pub(super) struct Element {
    /// Its line (CSV) or its number in the list (JSON), from 1.
    pub(super) place: u64,
    /// Its text, not a digit changed.
    pub(super) json: Box<RawValue>,
}

/// Something in the file that cannot be sent.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Its line or number.
    pub(super) place: u64,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// The invoices of one request.
#[derive(Debug)]
pub(super) struct Batch {
    /// What is sent.
    pub(super) elements: Vec<Element>,
    /// What stands between them and cannot be.
    pub(super) unreadable: Vec<Unreadable>,
    /// What the batch must not overtake or be overtaken by.
    pub(super) claims: Vec<u64>,
    /// How many bytes of the file had been read when it was complete.
    pub(super) end: u64,
    digest: [u8; 32],
}

impl Batch {
    /// The request's body.
    pub(super) fn body(&self) -> String {
        let texts: Vec<_> = self.elements.iter().map(|element| element.json.get()).collect();
        format!("[{}]", texts.join(","))
    }

    /// The request's idempotency key: of the content, and of the run's name where it has one.
    pub(super) fn key(&self, run: Option<&str>) -> String {
        let named = |name: &str| Sha256::new_with_prefix(self.digest).chain_update(name).finalize().into();
        hex::encode(run.map_or(self.digest, named))
    }

    /// Leaves out the elements at these positions, and takes another key.
    pub(super) fn leave_out(&mut self, positions: &BTreeSet<usize>) -> Vec<Element> {
        let mut digest = Sha256::new_with_prefix(self.digest);
        positions.iter().for_each(|position| digest.update((*position as u64).to_be_bytes()));
        self.digest = digest.finalize().into();
        let all = std::mem::take(&mut self.elements).into_iter().enumerate();
        let (out, kept): (Vec<_>, Vec<_>) = all.partition(|(position, _)| positions.contains(position));
        self.elements = kept.into_iter().map(|(_, element)| element).collect();
        out.into_iter().map(|(_, element)| element).collect()
    }
}

/// Cuts a file's elements into batches, the same at every run.
#[derive(Debug)]
pub(super) struct Cutter {
    most: usize,
    elements: Vec<Element>,
    unreadable: Vec<Unreadable>,
    bytes: usize,
    /// How often a batch of the same content has been cut. Half a digest is enough: at the worst a key differs that need not.
    seen: HashMap<[u8; 8], u32>,
}

impl Cutter {
    /// Batches of at most so many elements.
    pub(super) fn new(most: usize) -> Self {
        Self { most, elements: Vec::new(), unreadable: Vec::new(), bytes: 0, seen: HashMap::new() }
    }

    /// Adds an element; returns the batch before it where that is full.
    pub(super) fn add(&mut self, element: Element, end: u64) -> Option<Batch> {
        let bytes = element.json.get().len() + 1;
        let full = self.is_full() || (self.bytes > 0 && self.bytes + bytes > MOST_BYTES);
        let batch = full.then(|| self.cut(end)).flatten();
        self.bytes += bytes;
        self.elements.push(element);
        batch
    }

    /// Adds what cannot be sent; returns the batch before it where that is full.
    pub(super) fn add_unreadable(&mut self, unreadable: Unreadable, end: u64) -> Option<Batch> {
        let batch = self.is_full().then(|| self.cut(end)).flatten();
        self.unreadable.push(unreadable);
        batch
    }

    fn is_full(&self) -> bool {
        self.elements.len() + self.unreadable.len() >= self.most
    }

    /// What has been added since the last batch, if anything.
    pub(super) fn cut(&mut self, end: u64) -> Option<Batch> {
        let (elements, unreadable) = (std::mem::take(&mut self.elements), std::mem::take(&mut self.unreadable));
        self.bytes = 0;
        if elements.is_empty() && unreadable.is_empty() {
            return None;
        }
        let claims = elements.iter().filter_map(|element| claims::claim(element.json.get())).collect();
        let digest = self.digest(&elements);
        Some(Batch { elements, unreadable, claims, end, digest })
    }

    /// Of the content, and of the place among batches of the same content.
    fn digest(&mut self, elements: &[Element]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for element in elements {
            digest.update((element.json.get().len() as u64).to_be_bytes());
            digest.update(element.json.get());
        }
        let content: [u8; 32] = digest.finalize().into();
        let mut short = [0; 8];
        short.copy_from_slice(&content[..8]);
        let seen = self.seen.entry(short).or_default();
        let place = *seen;
        *seen += 1;
        if place == 0 {
            content
        } else {
            Sha256::new_with_prefix(content).chain_update(place.to_be_bytes()).finalize().into()
        }
    }
}

#[cfg(test)]
mod tests;
