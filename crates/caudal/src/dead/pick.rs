//! Which dead letters are meant.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::ensure;
use caudal_queue::{DeadLetter, EntryId, Queue};
use serde::Serialize;
use uuid::Uuid;

use crate::terminal::count;

/// How many letters are read at once.
pub(super) const PAGE: usize = 500;

/// What letters have in common; without any of it, all are meant.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub(crate) struct Filter {
    /// Those with this code, such as `check_violation`
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Those whose reason holds this text, in any case
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Those of this batch
    #[arg(long, value_name = "UUID", value_parser = batch)]
    batch: Option<Uuid>,
}

fn batch(text: &str) -> Result<Uuid, &'static str> {
    text.parse().map_err(|_| "a batch's id, as in /lotes/{id}")
}

impl Filter {
    /// Whether the letter is meant.
    pub(super) fn fits(&self, letter: &DeadLetter) -> bool {
        let reason = |text: &String| letter.detail.to_lowercase().contains(&text.to_lowercase());
        self.code.as_ref().is_none_or(|code| *code == letter.code)
            && self.reason.as_ref().is_none_or(reason)
            && self.batch.is_none_or(|batch| batch == letter.batch)
    }

    fn is_empty(&self) -> bool {
        self.code.is_none() && self.reason.is_none() && self.batch.is_none()
    }
}

/// Letters by id, by what they have in common, or all.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Pick {
    /// The letters
    #[arg(value_name = "ID")]
    ids: Vec<EntryId>,
    #[command(flatten)]
    filter: Filter,
    /// Every letter
    #[arg(long)]
    all: bool,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Summary {
    invoices: u64,
    by_code: BTreeMap<String, u64>,
    /// Ids that are no dead letter's (any more).
    pub(super) missing: u64,
}

impl Pick {
    /// The ids of the letters that are meant, and what they hold.
    pub(super) async fn find(&self, queue: &Queue) -> anyhow::Result<(Vec<EntryId>, Summary)> {
        let ways = [!self.ids.is_empty(), !self.filter.is_empty(), self.all];
        let named = ways.iter().filter(|way| **way).count();
        ensure!(named == 1, "name the letters in one way: by id, by --code, --reason or --batch, or --all of them");
        let (mut ids, mut found) = (Vec::new(), Summary::default());
        if !self.ids.is_empty() {
            for id in &self.ids {
                match queue.dead_letter(id).await? {
                    Some(letter) => found.add(&letter, &mut ids),
                    None => found.missing += 1,
                }
            }
            return Ok((ids, found));
        }
        let mut after = None;
        loop {
            let page = queue.dead_letters(after.as_ref(), PAGE).await?;
            page.iter().filter(|letter| self.filter.fits(letter)).for_each(|letter| found.add(letter, &mut ids));
            after = page.last().map(|letter| letter.id);
            if page.len() < PAGE {
                return Ok((ids, found));
            }
        }
    }
}

impl Summary {
    fn add(&mut self, letter: &DeadLetter, ids: &mut Vec<EntryId>) {
        ids.push(letter.id);
        self.invoices += u64::from(letter.count);
        *self.by_code.entry(letter.code.clone()).or_default() += 1;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = self.by_code.values().sum();
        write!(formatter, "{} with {}", count(letters, "dead letter"), count(self.invoices, "invoice"))?;
        let by_code: Vec<_> = self.by_code.iter().map(|(code, letters)| format!("{letters} {code}")).collect();
        if by_code.is_empty() { Ok(()) } else { write!(formatter, " ({})", by_code.join(", ")) }
    }
}
