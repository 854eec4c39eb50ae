//! Dead letters for reading.

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caudal_invoice::chunk;
use caudal_queue::{DeadLetter, EntryId, Queue};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::pick::{Filter, PAGE};
use crate::terminal::{note, say, say_json};

/// A letter as a program reads it.
#[derive(Serialize)]
struct Letter<'a> {
    id: String,
    code: &'a str,
    reason: &'a str,
    number: &'a str,
    invoices: u32,
    attempts: u32,
    batch: Uuid,
    position: u32,
    version: i64,
    received_at: DateTime<Utc>,
    buried_at: DateTime<Utc>,
}

impl<'a> From<&'a DeadLetter> for Letter<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            code: &letter.code,
            reason: &letter.detail,
            number: &letter.number,
            invoices: letter.count,
            attempts: letter.attempts,
            batch: letter.batch,
            position: letter.position,
            version: letter.version,
            received_at: letter.received_at,
            buried_at: letter.buried_at,
        }
    }
}

/// Lists up to `limit` letters that fit, and how to see those after them.
pub(super) async fn list(
    queue: &Queue,
    filter: &Filter,
    limit: usize,
    after: Option<EntryId>,
    json: bool,
) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct List<'a> {
        letters: Vec<Letter<'a>>,
        next: Option<String>,
    }
    let (letters, next) = page(queue, filter, limit, after).await?;
    if json {
        let letters = letters.iter().map(Letter::from).collect();
        return say_json(&List { letters, next: next.map(|id| id.to_string()) });
    }
    if letters.is_empty() {
        note("no dead letter fits");
        return Ok(());
    }
    say(table(&letters));
    if let Some(next) = next {
        note(format!("There are more: the same command with --after {next}"));
    }
    Ok(())
}

/// The letters, and the last of them where more follow.
async fn page(
    queue: &Queue,
    filter: &Filter,
    limit: usize,
    mut after: Option<EntryId>,
) -> anyhow::Result<(Vec<DeadLetter>, Option<EntryId>)> {
    let mut fitting = Vec::new();
    loop {
        let page = queue.dead_letters(after.as_ref(), PAGE).await?;
        let last = page.len() < PAGE;
        after = page.last().map(|letter| letter.id);
        fitting.extend(page.into_iter().filter(|letter| filter.fits(letter)).take(limit + 1 - fitting.len()));
        if fitting.len() > limit {
            fitting.truncate(limit);
            let next = fitting.last().map(|letter| letter.id);
            return Ok((fitting, next));
        }
        if last {
            return Ok((fitting, None));
        }
    }
}

fn table(letters: &[DeadLetter]) -> String {
    let head = ["ID", "BURIED", "CODE", "INVOICE", "TRIED", "REASON"].map(str::to_owned);
    let rows = letters.iter().map(|letter| {
        let invoice = match letter.count {
            1 => one_line(&letter.number),
            count => format!("{count} invoices"),
        };
        let buried = letter.buried_at.format("%Y-%m-%d %H:%M:%S").to_string();
        let (id, tried) = (letter.id.to_string(), letter.attempts.to_string());
        [id, buried, one_line(&letter.code), invoice, tried, one_line(&letter.detail)]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What came from outside must not move the cursor or break the table.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Shows a letter and the invoices in it.
pub(super) async fn one(queue: &Queue, id: EntryId, json: bool) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Opened<'a> {
        #[serde(flatten)]
        letter: Letter<'a>,
        content: Content,
    }
    let letter = queue.dead_letter(&id).await?;
    let letter = letter.with_context(|| format!("there is no dead letter {id} (any more)"))?;
    let content = Content::of(&letter.payload);
    if json {
        return say_json(&Opened { letter: Letter::from(&letter), content });
    }
    say(text(&letter, &content));
    Ok(())
}

/// What a letter holds.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Invoices(Vec<Invoice>),
    /// No program can read it: the bytes in Base64, and why.
    Damaged {
        reason: String,
        bytes: String,
    },
}

#[derive(Serialize)]
struct Invoice {
    number: String,
    rut: String,
    amount: String,
    issued_on: NaiveDate,
}

impl Content {
    fn of(payload: &[u8]) -> Self {
        let invoice = |invoice: caudal_invoice::Invoice| {
            let caudal_invoice::Invoice { number, rut, amount, issued_on } = invoice;
            Invoice { number, rut, amount: amount.to_string(), issued_on }
        };
        match chunk::decode(payload) {
            Ok(invoices) => Self::Invoices(invoices.into_iter().map(invoice).collect()),
            Err(error) => Self::Damaged { reason: error.to_string(), bytes: BASE64_STANDARD.encode(payload) },
        }
    }
}

fn text(letter: &DeadLetter, content: &Content) -> String {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut lines = vec![
        format!("letter    {}", letter.id),
        format!("code      {}", one_line(&letter.code)),
        format!("reason    {}", one_line(&letter.detail)),
        format!("batch     {} (invoice {} of it, from 0)", letter.batch, letter.position),
        format!("received  {}", time(letter.received_at)),
        format!("buried    {} after {} attempts", time(letter.buried_at), letter.attempts),
    ];
    match content {
        Content::Invoices(invoices) => lines.extend(invoices.iter().map(|invoice| {
            let Invoice { number, rut, amount, issued_on } = invoice;
            format!("invoice   {} of {}: {amount}, issued on {issued_on}", one_line(number), one_line(rut))
        })),
        Content::Damaged { reason, bytes } => {
            lines.extend([format!("unread    {reason}"), format!("bytes     {bytes}")])
        }
    }
    lines.join("\n")
}
