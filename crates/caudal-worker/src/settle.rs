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
        Answer::Verdicts(_) if delivery.count == 0 => {
            Decision::Settle(buried_whole(delivery, "no admission wrote this entry"))
        }
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
                let code = "refused".to_owned();
                settlement.rejected.push(Rejected { position, count: 1, number, code, detail: reason, payload });
            }
        }
    }
    settlement
}

/// The chunk is refused with its bytes, all its invoices in one.
fn buried_whole(delivery: &Delivery<'_>, reason: &str) -> Settlement {
    let rejected = Rejected {
        position: delivery.position,
        count: delivery.count,
        number: String::new(),
        code: "damaged".to_owned(),
        detail: reason.to_owned(),
        payload: delivery.payload.to_vec(),
    };
    Settlement { rejected: vec![rejected], ..Settlement::default() }
}

#[cfg(test)]
mod tests;
