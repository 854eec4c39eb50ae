//! What `caudal adopt` tells.

use anyhow::bail;
use indicatif::HumanCount;
use serde::Serialize;

use super::message::Unread;
use crate::terminal::{count, note, say, say_json};

/// What was taken over so far, or would be.
#[derive(Debug, Default, Serialize)]
struct Tally {
    dry_run: bool,
    keys_found: u64,
    keys_adopted: u64,
    /// Keys that no header can have held.
    keys_unread: u64,
    tasks: u64,
    invoices: u64,
    messages_left: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Event<'a> {
    Warning(&'a str),
    Left { from: &'a str, task: Option<&'a str>, reason: &'a str },
    Summary(&'a Tally),
}

/// Keeps count and tells.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    tally: Tally,
    waits: bool,
}

impl Report {
    pub(super) fn new(json: bool, dry_run: bool) -> Self {
        Self { json, tally: Tally { dry_run, ..Tally::default() }, waits: false }
    }

    /// Something may be wrong, and is no reason to stop.
    pub(super) fn warn(&self, text: &str) -> anyhow::Result<()> {
        if self.json {
            return say_json(&Event::Warning(text));
        }
        note(format!("warning: {text}"));
        Ok(())
    }

    /// Some keys were found.
    pub(super) fn keys(&mut self, found: u64, adopted: u64, unread: u64) {
        self.tally.keys_found += found;
        self.tally.keys_adopted += adopted;
        self.tally.keys_unread += unread;
    }

    /// A task was admitted.
    pub(super) fn admitted(&mut self, invoices: u64) {
        self.tally.tasks += 1;
        self.tally.invoices += invoices;
        self.waits = false;
    }

    /// A message stays where it is.
    pub(super) fn left(&mut self, from: &str, unread: &Unread) -> anyhow::Result<()> {
        self.tally.messages_left += 1;
        let Unread { task, reason } = unread;
        if self.json {
            return say_json(&Event::Left { from, task: task.as_deref(), reason });
        }
        let task = task.as_ref().map(|id| format!("task {id} of ")).unwrap_or_default();
        note(format!("{task}{from} stays: {reason}"));
        Ok(())
    }

    /// The queue is full.
    pub(super) fn waits(&mut self) {
        if !self.waits && !self.json {
            note("the queue is full: waiting until workers have made room");
        }
        self.waits = true;
    }

    /// Sums up.
    pub(super) fn close(&self) -> anyhow::Result<()> {
        if self.json {
            return say_json(&Event::Summary(&self.tally));
        }
        let Tally { dry_run, keys_found, keys_adopted, keys_unread, tasks, invoices, messages_left } = self.tally;
        let known = HumanCount(keys_found - keys_adopted);
        let (keys, verb) = if dry_run {
            ("would be taken over".to_owned(), "would be admitted")
        } else {
            (format!("{} taken over, {known} known already", HumanCount(keys_adopted)), "admitted")
        };
        say(format!("{}: {keys}", count(keys_found, "idempotency key")));
        say(format!("{} with {}: {verb}", count(tasks, "task"), count(invoices, "invoice")));
        if keys_unread > 0 {
            say(format!("{}: no header can hold them", count(keys_unread, "other key")));
        }
        if messages_left > 0 {
            say(format!("{}: left where they are", count(messages_left, "message")));
        }
        Ok(())
    }

    /// An error where something is left.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        match self.tally.messages_left {
            0 => Ok(()),
            left => bail!("{} could not be taken over", count(left, "message")),
        }
    }
}
