//! The handler that is built in: records invoices in the ledger, many chunks in one transaction.

use std::time::Duration;

use caudal_invoice::{Invoice, canonical_rut, chunk};
use caudal_ledger::{Entry, Error, Ledger, Outcome};
use caudal_telemetry::trace;
use tokio::time::Instant;
use tracing::{Instrument, Span, info_span, warn};

use crate::handler::{Answer, Delivery, Handler, Unavailable, Verdict};

/// How many chunks a transaction's span names; more links than this a span does not keep.
const MOST_LINKS: usize = 128;
/// For how long a set is divided to find what holds it up.
const HELD_UP: Duration = Duration::from_secs(10);

/// Records invoices in the ledger.
#[derive(Clone, Debug)]
pub struct LedgerHandler {
    ledger: Ledger,
}

impl LedgerHandler {
    /// A handler for this ledger.
    #[must_use]
    pub const fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// Records the entries, in one transaction where PostgreSQL takes them all.
    async fn record(&self, set: &[Delivery<'_>], entries: Entries<'_>) -> Result<Vec<Verdict>, Unavailable> {
        match self.commit(set, entries, false).await {
            Ok(outcomes) => Ok(outcomes.into_iter().map(verdict).collect()),
            Err(error) => {
                // Of one client side by side, so that few parts hold one that is locked.
                let order = by_client(entries.all);
                let (all, chunks): (Vec<_>, Vec<_>) = order
                    .iter()
                    .filter_map(|at| Some((entries.all.get(*at)?.clone(), *entries.chunks.get(*at)?)))
                    .unzip();
                let verdicts = self.divide(set, Entries { all: &all, chunks: &chunks }, error).await?;
                let mut placed: Vec<_> = order.into_iter().zip(verdicts).collect();
                placed.sort_unstable_by_key(|(at, _)| *at);
                Ok(placed.into_iter().map(|(_, verdict)| verdict).collect())
            }
        }
    }

    /// Records entries that failed together. Where PostgreSQL refuses them, or does not get done, each half is tried by itself,
    /// until what is in the way stands alone.
    async fn divide(&self, set: &[Delivery<'_>], all: Entries<'_>, error: Error) -> Result<Vec<Verdict>, Unavailable> {
        let since = Instant::now();
        let mut hurry = matches!(error, Error::Locked(_));
        let (mut failed, mut parts, mut verdicts) = (Some(error), vec![all], Vec::with_capacity(all.all.len()));
        while let Some(part) = parts.pop() {
            let done = match failed.take() {
                Some(error) => Err(error),
                None => self.commit(set, part, hurry).await,
            };
            match (done, part.all) {
                (Ok(outcomes), _) => verdicts.extend(outcomes.into_iter().map(verdict)),
                (Err(Error::Rejected { code, detail }), [entry]) => {
                    verdicts.push(rejected(&entry.invoice, code, detail));
                }
                (Err(error), all) if part.is_held_up(&error) || is_late(&error, &verdicts, since) => {
                    warn!(invoices = all.len(), error = &error as &dyn std::error::Error, "invoices are postponed");
                    verdicts.extend(all.iter().map(postponed));
                }
                (Err(error @ (Error::Rejected { .. } | Error::Locked(_) | Error::Slow(_))), _) => {
                    hurry |= matches!(error, Error::Locked(_));
                    let (first, second) = part.halves();
                    parts.extend([second, first]);
                }
                (Err(error), _) => return Err(Unavailable::new(error)),
            }
        }
        Ok(verdicts)
    }

    /// One transaction with its span, which is linked with those of the chunks in it, both ways.
    async fn commit(&self, set: &[Delivery<'_>], part: Entries<'_>, hurry: bool) -> Result<Vec<Outcome>, Error> {
        if part.all.is_empty() {
            return Ok(Vec::new());
        }
        let chunks = sampled(set, part);
        let span = record_span(part.all.len(), &chunks);
        let record = async {
            if hurry { self.ledger.record_in_a_hurry(part.all).await } else { self.ledger.record(part.all).await }
        };
        let done = record.instrument(span.clone()).await;
        match &done {
            Ok(_) => {
                if let Some(commit) = trace::traceparent(&span) {
                    chunks.iter().for_each(|chunk| trace::link(chunk, &commit));
                }
            }
            Err(_) => drop(span.record("otel.status_code", "ERROR")),
        }
        done
    }
}

impl Handler for LedgerHandler {
    async fn ready(&self) -> Result<(), Unavailable> {
        self.ledger.ready().await.map_err(Unavailable::new)
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        let count = set.iter().map(|delivery| delivery.count as usize).sum();
        let (mut entries, mut chunks) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut read_one = |(chunk, delivery)| {
            let count = read(delivery, &mut entries);
            chunks.resize(entries.len(), chunk);
            count
        };
        let read: Vec<_> = set.iter().enumerate().map(&mut read_one).collect();
        let mut verdicts = self.record(set, Entries { all: &entries, chunks: &chunks }).await?.into_iter();
        let answer = |read| match read {
            Ok(count) => Answer::Verdicts(verdicts.by_ref().take(count).collect()),
            Err(answer) => answer,
        };
        Ok(read.into_iter().map(answer).collect())
    }

    fn split(&self, payload: &[u8]) -> Option<Vec<Vec<u8>>> {
        Some(chunk::decode(payload).ok()?.iter().map(alone).collect())
    }
}

/// Entries, and of each the chunk of the set it came in.
#[derive(Clone, Copy, Debug)]
struct Entries<'a> {
    all: &'a [Entry],
    chunks: &'a [usize],
}

impl Entries<'_> {
    fn halves(self) -> (Self, Self) {
        let middle = self.all.len() / 2;
        let ((first, second), (chunks, others)) = (self.all.split_at(middle), self.chunks.split_at(middle));
        (Self { all: first, chunks }, Self { all: second, chunks: others })
    }

    /// Whether the error keeps all of these from being recorded, however they are divided: one client's row is the lock of all
    /// its invoices.
    fn is_held_up(&self, error: &Error) -> bool {
        match error {
            Error::Locked(_) => {
                let mut clients = self.all.iter().map(|entry| canonical_rut(&entry.invoice.rut));
                clients.next().is_some_and(|first| clients.all(|client| client == first))
            }
            Error::Slow(_) => self.all.len() == 1,
            _ => false,
        }
    }
}

/// The places of the entries, in the order of their clients.
fn by_client(entries: &[Entry]) -> Vec<usize> {
    let mut order: Vec<_> = entries.iter().map(|entry| canonical_rut(&entry.invoice.rut)).enumerate().collect();
    order.sort_by(|(_, one), (_, other)| one.cmp(other));
    order.into_iter().map(|(at, _)| at).collect()
}

/// Whether parts that are held up are divided no more, so that the handler answers in time. Something was decided by then, so the
/// same set does not come again.
fn is_late(error: &Error, verdicts: &[Verdict], since: Instant) -> bool {
    matches!(error, Error::Locked(_) | Error::Slow(_)) && !verdicts.is_empty() && since.elapsed() > HELD_UP
}

/// Appends the chunk's invoices to the entries and says how many, or the answer if they cannot be read.
fn read(delivery: &Delivery<'_>, entries: &mut Vec<Entry>) -> Result<usize, Answer> {
    let invoices = chunk::decode(delivery.payload).map_err(|error| match error {
        chunk::Error::Newer(_) => Answer::Newer,
        damaged @ chunk::Error::Damaged(_) => Answer::Damaged { reason: damaged.to_string() },
    })?;
    let count = invoices.len();
    if count != delivery.count as usize {
        let reason = format!("the chunk holds {count} invoices and is said to hold {}", delivery.count);
        return Err(Answer::Damaged { reason });
    }
    let Delivery { batch, version, received_at, .. } = *delivery;
    let entry = |(version, invoice)| Entry { invoice, version, batch, received_at };
    entries.extend((version..).zip(invoices).map(entry));
    Ok(count)
}

const fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Recorded => Verdict::Recorded,
        Outcome::Unchanged => Verdict::Unchanged,
    }
}

fn rejected(invoice: &Invoice, code: &str, detail: String) -> Verdict {
    Verdict::Rejected { number: invoice.number.clone(), code: code.to_owned(), detail, payload: alone(invoice) }
}

fn postponed(entry: &Entry) -> Verdict {
    Verdict::Postponed { payload: alone(&entry.invoice) }
}

fn alone(invoice: &Invoice) -> Vec<u8> {
    chunk::encode(std::slice::from_ref(invoice))
}

/// The `process` spans of the chunks that have an entry in the part, those that are sampled.
fn sampled<'a>(set: &[Delivery<'a>], part: Entries<'_>) -> Vec<&'a Span> {
    let mut chunks = part.chunks.to_vec();
    chunks.sort_unstable();
    chunks.dedup();
    chunks.iter().filter_map(|chunk| set.get(*chunk)).map(|one| one.span).filter(|span| !span.is_disabled()).collect()
}

fn record_span(invoices: usize, chunks: &[&Span]) -> Span {
    if chunks.is_empty() {
        return Span::none();
    }
    let span = info_span!(
        parent: None,
        "record",
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        db.system.name = "postgresql",
        db.operation.name = "record",
        db.operation.batch.size = invoices,
    );
    for chunk in chunks.iter().take(MOST_LINKS) {
        if let Some(traceparent) = trace::traceparent(chunk) {
            trace::link(&span, &traceparent);
        }
    }
    span
}
