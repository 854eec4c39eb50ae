//! One batch's way to the API: again and again with the same key, until there is an answer that counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::answer::{Answer, Complaint};
use super::batch::{Batch, Unreadable};
use super::client::Client;
use crate::terminal::note;

/// The first pause where the API names none; each doubles, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Brings batches to one API.
#[derive(Debug)]
pub(super) struct Courier {
    pub(super) client: Client,
    run: Option<String>,
    patience: Duration,
    bar: ProgressBar,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// When something last went forward.
    forward: Instant,
    /// Why it has not since, as last told.
    told: String,
}

/// An invoice that was not accepted, and why.
#[derive(Debug)]
pub(super) struct Refused {
    /// Its line or number in the list, from 1.
    pub(super) place: u64,
    /// What is wrong with it, one entry for each wrong field.
    pub(super) reasons: Vec<Complaint>,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Delivered {
    /// The places of the accepted invoices, in the batch's order.
    pub(super) accepted: Vec<u64>,
    /// Whether an earlier run had brought them.
    pub(super) earlier: bool,
    /// Where they can be followed.
    pub(super) batch: Option<Uuid>,
    pub(super) refused: Vec<Refused>,
    /// What the batch had claimed.
    pub(super) claims: Vec<u64>,
    /// How many bytes of the file are dealt with.
    pub(super) end: u64,
}

impl Courier {
    /// The keys are those of this run. Nothing is waited for longer than `patience` while nothing goes forward. Why it waits is told beside the bar.
    pub(super) fn new(client: Client, run: Option<String>, patience: Duration, bar: ProgressBar) -> Self {
        let progress = Progress { forward: Instant::now(), told: String::new() };
        Self { client, run, patience, bar, progress: Mutex::new(progress) }
    }

    /// Something went forward: patience begins anew.
    pub(super) fn went_forward(&self) {
        let mut progress = self.progress();
        progress.forward = Instant::now();
        progress.told.clear();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the batch until it is accepted. What is wrong with it is left out, and the rest sent under its own key.
    pub(super) async fn deliver(&self, mut batch: Batch) -> anyhow::Result<Delivered> {
        let mut refused: Vec<_> = std::mem::take(&mut batch.unreadable).into_iter().map(unreadable).collect();
        let mut pause = FIRST_PAUSE;
        let (mut id, mut earlier) = (None, false);
        while !batch.elements.is_empty() {
            match self.client.post(&batch.key(self.run.as_deref()), batch.body()).await {
                Answer::Accepted { batch, earlier: known } => {
                    (id, earlier) = (batch, known);
                    break;
                }
                Answer::Invalid(complaints) => refused.extend(leave_out(&mut batch, complaints)?),
                Answer::Refused(reason) => {
                    let whole = std::mem::take(&mut batch.elements);
                    refused.extend(whole.into_iter().map(|element| refuse(element.place, reason.clone())));
                }
                Answer::Later { after, reason } => {
                    self.tell(&reason);
                    self.pause(after.unwrap_or(pause), &reason).await?;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Answer::Hopeless(reason) => bail!(reason),
            }
        }
        self.went_forward();
        refused.sort_by_key(|one| one.place);
        let accepted = batch.elements.iter().map(|element| element.place).collect();
        Ok(Delivered { accepted, earlier, batch: id, refused, claims: batch.claims, end: batch.end })
    }

    /// Waits, but not beyond the end of all patience.
    pub(super) async fn pause(&self, pause: Duration, reason: &str) -> anyhow::Result<()> {
        let left = self.patience.saturating_sub(self.progress().forward.elapsed());
        if left.is_zero() {
            bail!("nothing went forward for {} s (--patience): {reason}", self.patience.as_secs());
        }
        sleep(pause.min(left)).await;
        Ok(())
    }

    /// Tells why nothing goes forward, unless it has been told.
    fn tell(&self, reason: &str) {
        let mut progress = self.progress();
        if progress.told != reason {
            reason.clone_into(&mut progress.told);
            self.bar.suspend(|| note(format!("waiting: {reason}")));
        }
    }
}

fn unreadable(Unreadable { place, reason }: Unreadable) -> Refused {
    refuse(place, reason)
}

fn refuse(place: u64, message: String) -> Refused {
    Refused { place, reasons: vec![Complaint { field: None, message, given: None }] }
}

/// Takes the elements out of the batch that the API complains about.
fn leave_out(batch: &mut Batch, complaints: Vec<(usize, Complaint)>) -> anyhow::Result<Vec<Refused>> {
    let mut reasons = BTreeMap::<usize, Vec<Complaint>>::new();
    for (position, complaint) in complaints {
        reasons.entry(position).or_default().push(complaint);
    }
    let out = batch.leave_out(&reasons.keys().copied().collect());
    if out.len() != reasons.len() {
        bail!("the API complains about invoices that it was not sent");
    }
    let refused = out.iter().zip(reasons.into_values());
    Ok(refused.map(|(element, reasons)| Refused { place: element.place, reasons }).collect())
}
