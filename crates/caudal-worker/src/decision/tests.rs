//! Decisions on chunks.

use std::time::Duration;

use caudal_queue::Settlement;
use chrono::DateTime;
use tracing::Span;
use uuid::Uuid;

use super::{Decision, answered, deadly, hung};
use crate::handler::{Answer, Delivery, Verdict};

const POSITION: u32 = 250;

fn on_delivery(count: u32, attempts: u32, decide: impl FnOnce(&Delivery<'_>) -> Decision) -> Decision {
    let span = Span::none();
    let delivery = Delivery {
        payload: b"bytes",
        count,
        batch: Uuid::nil(),
        position: POSITION,
        version: 7,
        received_at: DateTime::UNIX_EPOCH,
        deliveries: 1,
        attempts,
        span: &span,
    };
    decide(&delivery)
}

fn settled(decision: Decision) -> Settlement {
    match decision {
        Decision::Settle(settlement) => settlement,
        other => panic!("{other:?}"),
    }
}

fn settled_after(attempts: u32, count: u32, answer: Answer) -> Settlement {
    settled(on_delivery(count, attempts, |delivery| answered(delivery, answer, || 0.0)))
}

fn rejected(number: &str) -> Verdict {
    Verdict::Rejected { number: number.into(), code: "no".into(), detail: "why".into(), payload: vec![1] }
}

fn failed() -> Verdict {
    Verdict::Failed { number: "A".into(), code: "busy".into(), detail: "why".into(), payload: vec![1] }
}

#[test]
fn each_verdict_is_counted_once_and_the_refused_keep_their_place_in_the_batch() {
    let verdicts = vec![Verdict::Unchanged, rejected("A"), Verdict::Recorded, Verdict::Recorded, rejected("B")];
    let settlement = settled_after(0, 5, Answer::Verdicts(verdicts));
    assert_eq!((settlement.recorded, settlement.unchanged), (2, 1));
    let buried: Vec<_> = settlement.rejected.iter().map(|one| (one.position, one.count, one.number.as_str())).collect();
    assert_eq!(buried, [(POSITION + 1, 1, "A"), (POSITION + 4, 1, "B")]);
    assert_eq!((settlement.rejected[0].code.as_str(), settlement.rejected[0].detail.as_str()), ("no", "why"));
}

#[test]
fn a_failed_invoice_is_tried_again_later_and_buried_at_its_tenth_attempt_with_its_last_failure() {
    for (attempts, seconds) in [(0, 1), (1, 2), (8, 60)] {
        let settlement = settled_after(attempts, 2, Answer::Verdicts(vec![Verdict::Recorded, failed()]));
        let [one] = settlement.retried.as_slice() else { panic!("{settlement:?}") };
        assert_eq!((one.position, one.attempts), (POSITION + 1, attempts + 1));
        assert_eq!((one.delay, settlement.recorded), (Duration::from_secs(seconds), 1));
    }
    let settlement = settled_after(9, 1, Answer::Verdicts(vec![failed()]));
    assert!(settlement.retried.is_empty());
    assert_eq!(settlement.rejected[0].code, "attempts_exhausted");
    assert_eq!(settlement.rejected[0].detail, "attempt 10 failed: busy: why");
}

#[test]
fn a_postponed_invoice_is_tried_again_later_and_its_attempts_are_not_counted() {
    let postponed = Verdict::Postponed { payload: vec![1] };
    let settlement = settled_after(9, 2, Answer::Verdicts(vec![Verdict::Recorded, postponed]));
    let [one] = settlement.retried.as_slice() else { panic!("{settlement:?}") };
    assert_eq!((one.position, one.attempts, settlement.recorded), (POSITION + 1, 9, 1));
    assert!(settlement.rejected.is_empty());
}

#[test]
fn a_damaged_chunk_is_buried_whole_and_its_bytes_once() {
    let settlement = settled_after(0, 3, Answer::Damaged { reason: "why".into() });
    let [one] = settlement.rejected.as_slice() else { panic!("{settlement:?}") };
    assert_eq!((one.position, one.count, one.payload.as_slice()), (POSITION, 3, b"bytes".as_slice()));
    assert_eq!((one.code.as_str(), one.detail.as_str()), ("damaged", "why"));
}

#[test]
fn an_entry_that_no_admission_wrote_is_buried_with_its_bytes() {
    for answer in [Answer::Verdicts(Vec::new()), Answer::Damaged { reason: "why".into() }] {
        let settlement = settled_after(0, 0, answer);
        assert_eq!((settlement.rejected[0].count, settlement.rejected[0].payload.as_slice()), (0, b"bytes".as_slice()));
    }
}

#[test]
fn verdicts_that_do_not_match_the_invoices_bury_the_chunk_and_lose_none() {
    let settlement = settled_after(0, 2, Answer::Verdicts(vec![Verdict::Recorded]));
    assert_eq!((settlement.recorded, settlement.rejected[0].count), (0, 2));
    assert_eq!(settlement.rejected[0].payload, b"bytes");
}

#[test]
fn a_newer_chunk_goes_back() {
    let decision = on_delivery(2, 0, |delivery| answered(delivery, Answer::Newer, || 0.0));
    assert!(matches!(decision, Decision::Release));
}

#[test]
fn a_hung_invoice_is_put_off_and_its_attempts_are_not_counted() {
    let settlement = settled(on_delivery(1, 4, |delivery| hung(delivery, None)));
    assert_eq!((settlement.retried[0].attempts, settlement.retried[0].payload.as_slice()), (4, b"bytes".as_slice()));
    assert!(matches!(on_delivery(2, 0, |delivery| hung(delivery, Some(Vec::new()))), Decision::Split(_)));
    assert!(matches!(on_delivery(2, 0, |delivery| hung(delivery, None)), Decision::Release));
}

#[test]
fn an_invoice_that_kills_its_workers_is_buried_with_its_bytes() {
    let settlement = settled(on_delivery(1, 0, |delivery| deadly(delivery, 5)));
    assert_eq!(settlement.rejected[0].code, "kills_its_worker");
    assert!(settlement.rejected[0].detail.starts_with("5 workers"));
}
