//! What `caudal send` tells: a progress bar on a terminal, lines elsewhere, JSON for programs.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;
use uuid::Uuid;

use super::answer::Complaint;
use super::client::Lote;
use super::deliver::{Delivered, Refused};
use super::read::{Format, Source};
use crate::terminal::{count, note, say, say_json};

/// Where there is no bar, this often a line tells how far it is.
const LINE: Duration = Duration::from_secs(5);

/// How many invoices became what.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Tally {
    /// The API has them, from this run or an earlier one.
    accepted: u64,
    /// Those of them that an earlier run had brought.
    accepted_earlier: u64,
    /// They are wrong: the API does not have them.
    refused: u64,
    #[serde(flatten)]
    settled: Option<Settled>,
}

/// What became of the accepted ones.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Settled {
    recorded: u64,
    unchanged: u64,
    rejected: u64,
    /// Their batch is not known any more, so it was settled more than a day ago.
    forgotten: u64,
}

/// Written with `--json`, one object a line.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Event<'a> {
    Refused {
        #[serde(flatten)]
        place: Place,
        reasons: &'a [Complaint],
    },
    Rejected {
        #[serde(flatten)]
        place: Place,
        reason: &'a str,
    },
    Summary {
        file: &'a str,
        complete: bool,
        #[serde(flatten)]
        tally: Tally,
    },
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Element(u64),
    Line(u64),
}

/// Keeps count and tells.
pub(super) struct Report {
    file: String,
    format: Format,
    json: bool,
    /// Whether what was accepted is to be followed.
    follows: bool,
    bar: ProgressBar,
    told: Instant,
    tally: Tally,
    followed: Vec<(Option<Uuid>, Vec<u64>)>,
}

impl Report {
    pub(super) fn new(source: &Source, json: bool, follows: bool) -> anyhow::Result<Self> {
        let bar = match source.size {
            _ if !std::io::stderr().is_terminal() => ProgressBar::hidden(),
            Some(size) => ProgressBar::new(size).with_style(ProgressStyle::with_template(
                "[{bar:40}] {percent:>3} %, {msg}, {elapsed} (about {eta} left)",
            )?),
            None => ProgressBar::no_length().with_style(ProgressStyle::with_template("{spinner} {msg}, {elapsed}")?),
        };
        bar.set_message("0 invoices accepted");
        let (told, tally, followed) = (Instant::now(), Tally::default(), Vec::new());
        Ok(Self { file: source.name.clone(), format: source.format, json, follows, bar, told, tally, followed })
    }

    /// The bar; hidden where there is no terminal.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// A batch has been dealt with.
    pub(super) fn delivered(&mut self, delivered: Delivered) -> anyhow::Result<()> {
        let Delivered { accepted, earlier, batch, refused, end, .. } = delivered;
        let number = accepted.len() as u64;
        self.tally.accepted += number;
        self.tally.accepted_earlier += if earlier { number } else { 0 };
        self.tally.refused += refused.len() as u64;
        for one in &refused {
            self.refused(one)?;
        }
        if self.follows && number > 0 {
            self.followed.push((batch, accepted));
        }
        self.bar.set_position(self.bar.position().max(end));
        self.progress(format!("{} accepted", count(self.tally.accepted, "invoice")));
        Ok(())
    }

    fn refused(&self, refused: &Refused) -> anyhow::Result<()> {
        let place = self.place(refused.place);
        if self.json {
            return self.event(&Event::Refused { place, reasons: &refused.reasons });
        }
        for Complaint { field, message, given } in &refused.reasons {
            let field = field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
            let given = given.as_ref().map(|given| format!(", given {given}")).unwrap_or_default();
            self.line(&format!("{} {} {}: {field}{message}{given}", self.file, self.format.noun(), refused.place));
        }
        Ok(())
    }

    /// Gives away the accepted batches, with the places of their invoices, to be followed.
    pub(super) fn followed(&mut self) -> Vec<(Option<Uuid>, Vec<u64>)> {
        self.tally.settled = Some(Settled::default());
        self.bar.set_position(0);
        self.bar.set_length(self.tally.accepted);
        std::mem::take(&mut self.followed)
    }

    /// So many invoices of the batch that is followed are settled.
    pub(super) fn waiting(&self, settled: u64) {
        let Settled { recorded, unchanged, rejected, forgotten } = self.tally.settled.unwrap_or_default();
        self.bar.set_position(recorded + unchanged + rejected + forgotten + settled);
    }

    /// What became of the batch with these places; nobody knows where there is none.
    pub(super) fn settled(&mut self, places: &[u64], lote: Option<Lote>) -> anyhow::Result<()> {
        let settled = self.tally.settled.get_or_insert_default();
        let Some(lote) = lote else {
            settled.forgotten += places.len() as u64;
            return Ok(());
        };
        settled.recorded += lote.registradas;
        settled.unchanged += lote.sin_cambios;
        settled.rejected += lote.recibidas.saturating_sub(lote.registradas + lote.sin_cambios);
        let done = settled.recorded + settled.unchanged + settled.rejected + settled.forgotten;
        for one in &lote.rechazadas {
            let number = places.get(one.posicion).copied().unwrap_or_default();
            let (place, reason) = (self.place(number), one.motivo.as_str());
            match self.json {
                true => self.event(&Event::Rejected { place, reason })?,
                false => self.line(&format!("{} {} {number}: rejected: {reason}", self.file, self.format.noun())),
            }
        }
        self.bar.set_position(done);
        self.progress(format!("{} settled", count(done, "invoice")));
        Ok(())
    }

    /// The end, complete or not: takes the bar away and sums up.
    pub(super) fn close(&self, complete: bool) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if self.json {
            return say_json(&Event::Summary { file: &self.file, complete, tally: self.tally });
        }
        let Tally { accepted, accepted_earlier, refused, settled } = self.tally;
        let earlier = if accepted_earlier > 0 {
            format!(" ({} by an earlier run)", HumanCount(accepted_earlier))
        } else {
            String::new()
        };
        say(format!(
            "{}: {} accepted{earlier}, {} refused",
            self.file,
            count(accepted, "invoice"),
            HumanCount(refused)
        ));
        if let Some(Settled { recorded, unchanged, rejected, forgotten }) = settled {
            let forgotten = if forgotten > 0 {
                format!(", {} settled more than a day ago", HumanCount(forgotten))
            } else {
                String::new()
            };
            say(format!(
                "{} recorded, {} unchanged, {} rejected{forgotten}",
                HumanCount(recorded),
                HumanCount(unchanged),
                HumanCount(rejected)
            ));
        }
        Ok(())
    }

    /// An error where an invoice was refused or rejected.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let Tally { refused, settled, .. } = self.tally;
        match (refused, settled.map_or(0, |settled| settled.rejected)) {
            (0, 0) => Ok(()),
            (refused, 0) => bail!("{} refused: mend and send the file again", were(refused)),
            (0, rejected) => bail!("{} rejected: see `caudal dead list`", were(rejected)),
            (refused, rejected) => bail!("{} refused, and {} rejected", were(refused), were(rejected)),
        }
    }

    fn progress(&mut self, message: String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(message);
        } else if !self.json && self.told.elapsed() >= LINE {
            self.told = Instant::now();
            note(message);
        }
    }

    fn place(&self, number: u64) -> Place {
        match self.format {
            Format::Json => Place::Element(number),
            Format::Csv => Place::Line(number),
        }
    }

    fn event(&self, event: &Event<'_>) -> anyhow::Result<()> {
        self.bar.suspend(|| say_json(event))
    }

    fn line(&self, line: &str) {
        self.bar.suspend(|| note(line));
    }
}

fn were(number: u64) -> String {
    format!("{} {}", count(number, "invoice"), if number == 1 { "was" } else { "were" })
}
