//! From what became of a chunk in the handler to what is done with its lease. Pure.

use std::time::Duration;

use caudal_queue::{Chunk, Rejected, Retried, Settlement};

use crate::handler::{Answer, Delivery, Verdict};
use crate::pace::retry_after;

/// An invoice is buried when it has failed so often.
const MOST_ATTEMPTS: u32 = 10;
/// A chunk alone that the handler never answered for waits this long.
const PUT_OFF: Duration = Duration::from_secs(60);

/// An invoice that is postponed waits this long. Long, because each try of what is locked may hold its worker up for seconds.
const POSTPONED: Duration = Duration::from_secs(15);

/// What is done with a lease.
#[derive(Debug)]
pub(crate) enum Decision {
    /// It is ended: its invoices are counted, the refused ones buried, the failed ones tried again later.
    Settle(Settlement),
    /// It goes back untouched.
    Release,
    /// Its invoices go on as suspects, each by itself.
    Split(Vec<Chunk>),
}

/// Decides on a chunk the handler answered for. Verdicts that are not one for each invoice tell nothing: the chunk counts as
/// damaged, as does an entry that no admission wrote. Each `chance` lies between 0 and 1.
pub(crate) fn answered(delivery: &Delivery<'_>, answer: Answer, chance: impl FnMut() -> f64) -> Decision {
    match answer {
        Answer::Newer => Decision::Release,
        Answer::Damaged { reason } => buried_whole(delivery, "damaged", reason),
        Answer::Verdicts(_) if delivery.count == 0 => {
            buried_whole(delivery, "damaged", "no admission wrote this entry".to_owned())
        }
        Answer::Verdicts(verdicts) if verdicts.len() == delivery.count as usize => {
            Decision::Settle(settlement(delivery, verdicts, chance))
        }
        Answer::Verdicts(verdicts) => {
            let detail = format!("the handler gave {} verdicts on {} invoices", verdicts.len(), delivery.count);
            buried_whole(delivery, "damaged", detail)
        }
    }
}

/// Decides on a chunk that was tried alone and for which no answer came in time. Nothing is counted against it, but others
/// are not kept waiting.
pub(crate) fn hung(delivery: &Delivery<'_>, parts: Option<Vec<Chunk>>) -> Decision {
    if delivery.count == 1 {
        let Delivery { position, attempts, .. } = *delivery;
        let retried = Retried { position, payload: delivery.payload.to_vec(), attempts, delay: PUT_OFF };
        return Decision::Settle(Settlement { retried: vec![retried], ..Settlement::default() });
    }
    parts.map_or(Decision::Release, Decision::Split)
}

/// Decides on a chunk that was alone in the hands of so many workers when they died.
pub(crate) fn deadly(delivery: &Delivery<'_>, deaths: u32) -> Decision {
    buried_whole(delivery, "kills_its_worker", format!("{deaths} workers died while they handled it alone"))
}

fn settlement(delivery: &Delivery<'_>, verdicts: Vec<Verdict>, mut chance: impl FnMut() -> f64) -> Settlement {
    let mut settlement = Settlement::default();
    let attempts = delivery.attempts + 1;
    for (position, verdict) in (delivery.position..).zip(verdicts) {
        match verdict {
            Verdict::Recorded => settlement.recorded += 1,
            Verdict::Unchanged => settlement.unchanged += 1,
            Verdict::Rejected { number, code, detail, payload } => {
                settlement.rejected.push(Rejected { position, count: 1, number, code, detail, payload });
            }
            Verdict::Postponed { payload } => {
                let attempts = delivery.attempts;
                settlement.retried.push(Retried { position, payload, attempts, delay: POSTPONED });
            }
            Verdict::Failed { payload, .. } if attempts < MOST_ATTEMPTS => {
                let delay = retry_after(attempts, chance());
                settlement.retried.push(Retried { position, payload, attempts, delay });
            }
            Verdict::Failed { number, code, detail, payload } => {
                let detail = format!("attempt {attempts} failed: {code}: {detail}");
                let code = "attempts_exhausted".to_owned();
                settlement.rejected.push(Rejected { position, count: 1, number, code, detail, payload });
            }
        }
    }
    settlement
}

/// The chunk is refused with its bytes, all its invoices in one.
fn buried_whole(delivery: &Delivery<'_>, code: &str, detail: String) -> Decision {
    let rejected = Rejected {
        position: delivery.position,
        count: delivery.count,
        number: String::new(),
        code: code.to_owned(),
        detail,
        payload: delivery.payload.to_vec(),
    };
    Decision::Settle(Settlement { rejected: vec![rejected], ..Settlement::default() })
}

#[cfg(test)]
mod tests;
