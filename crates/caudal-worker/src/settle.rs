//! From what the handler said of a chunk to what is done with its lease. Pure.

use caudal_queue::{Rejected, Settlement};

use crate::handler::{Answer, Delivery, Verdict};

/// What is done with a lease.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is ended, its invoices counted and the refused ones buried.
    Settle(Settlement),
    /// It goes back untouched.
    Release,
}

/// Decides on one chunk. Verdicts that are not one for each invoice tell nothing: the chunk counts as damaged.
pub(crate) fn decide(delivery: &Delivery<'_>, answer: Answer) -> Decision {
    match answer {
        Answer::Newer => Decision::Release,
        Answer::Damaged { reason } => Decision::Settle(buried_whole(delivery, &reason)),
        Answer::Verdicts(verdicts) if verdicts.len() == delivery.count as usize => {
            Decision::Settle(settlement(delivery.position, verdicts))
        }
        Answer::Verdicts(verdicts) => {
            let reason = format!("{} verdicts for {} invoices", verdicts.len(), delivery.count);
            Decision::Settle(buried_whole(delivery, &reason))
        }
    }
}

fn settlement(first: u32, verdicts: Vec<Verdict>) -> Settlement {
    let mut settlement = Settlement::default();
    for (position, verdict) in (first..).zip(verdicts) {
        match verdict {
            Verdict::Recorded => settlement.recorded += 1,
            Verdict::Unchanged => settlement.unchanged += 1,
            Verdict::Rejected { number, reason, payload } => {
                let number = number.replace('\0', "\u{fffd}");
                settlement.rejected.push(Rejected { position, number, reason, payload });
            }
        }
    }
    settlement
}

/// Every invoice of the chunk is refused; the first carries the bytes of them all.
fn buried_whole(delivery: &Delivery<'_>, reason: &str) -> Settlement {
    let rejected = (delivery.position..).take(delivery.count as usize).map(|position| Rejected {
        position,
        number: String::new(),
        reason: reason.to_owned(),
        payload: if position == delivery.position { delivery.payload.to_vec() } else { Vec::new() },
    });
    Settlement { rejected: rejected.collect(), ..Settlement::default() }
}

#[cfg(test)]
mod tests;
