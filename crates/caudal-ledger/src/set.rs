//! What one transaction records, decided before any SQL: one entry for each invoice, the newest, in columns.

use std::borrow::Cow;
use std::cmp::Reverse;

use caudal_invoice::{Invoice, canonical_rut};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

/// An invoice with what the queue knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The invoice as it was received.
    pub invoice: Invoice,
    /// Its place in the order of admission: of two versions of one (RUT, number) the higher stands.
    pub version: i64,
    /// The batch that brought it.
    pub batch: Uuid,
    /// When that batch was admitted.
    pub received_at: DateTime<Utc>,
}

/// What became of an entry. Both mean that it is settled for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands in the ledger with its own content; also when an earlier delivery of the same entry wrote it.
    Recorded,
    /// The same content stood before it, or a newer version stands.
    Unchanged,
}

/// The entries of one transaction as columns, one row for each (RUT, number), sorted by it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Set<'a> {
    pub(crate) ruts: Vec<Cow<'a, str>>,
    pub(crate) numbers: Vec<&'a str>,
    pub(crate) amounts: Vec<Decimal>,
    pub(crate) issued_on: Vec<NaiveDate>,
    pub(crate) ruts_received: Vec<&'a str>,
    pub(crate) batches: Vec<Uuid>,
    pub(crate) versions: Vec<i64>,
    pub(crate) received_at: Vec<DateTime<Utc>>,
    /// Of each entry given, in order: its row, or none where a newer one of the set took its place.
    rows: Vec<Option<usize>>,
}

impl<'a> Set<'a> {
    /// Chooses the newest entry of each invoice and sorts them.
    pub(crate) fn of(entries: &'a [Entry]) -> Self {
        let mut sorted: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(place, entry)| (canonical_rut(&entry.invoice.rut), entry.invoice.number.as_str(), entry, place))
            .collect();
        // Of one invoice the newest comes first.
        sorted.sort_unstable_by(|one, other| {
            (&one.0, one.1, Reverse(one.2.version), one.3).cmp(&(&other.0, other.1, Reverse(other.2.version), other.3))
        });
        let mut set = Self { rows: vec![None; entries.len()], ..Self::with_capacity(entries.len()) };
        for (rut, number, entry, place) in sorted {
            if set.ruts.last() != Some(&rut) || set.numbers.last() != Some(&number) {
                set.push(rut, number, entry);
            }
            let row = set.versions.len() - 1;
            set.rows[place] = (set.versions[row] == entry.version).then_some(row);
        }
        set
    }

    fn with_capacity(rows: usize) -> Self {
        Self {
            ruts: Vec::with_capacity(rows),
            numbers: Vec::with_capacity(rows),
            amounts: Vec::with_capacity(rows),
            issued_on: Vec::with_capacity(rows),
            ruts_received: Vec::with_capacity(rows),
            batches: Vec::with_capacity(rows),
            versions: Vec::with_capacity(rows),
            received_at: Vec::with_capacity(rows),
            rows: Vec::new(),
        }
    }

    fn push(&mut self, rut: Cow<'a, str>, number: &'a str, entry: &'a Entry) {
        self.ruts.push(rut);
        self.numbers.push(number);
        self.amounts.push(entry.invoice.amount);
        self.issued_on.push(entry.invoice.issued_on);
        self.ruts_received.push(&entry.invoice.rut);
        self.batches.push(entry.batch);
        self.versions.push(entry.version);
        self.received_at.push(entry.received_at);
    }

    /// The outcome of each entry given, in order, from those of the rows.
    pub(crate) fn outcomes(&self, of_rows: &[Outcome]) -> Vec<Outcome> {
        let outcome = |row: &Option<usize>| row.and_then(|row| of_rows.get(row)).copied().unwrap_or(Outcome::Unchanged);
        self.rows.iter().map(outcome).collect()
    }
}

#[cfg(test)]
mod tests;
