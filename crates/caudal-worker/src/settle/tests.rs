//! Decisions on chunks.

use caudal_queue::Settlement;
use chrono::DateTime;
use tracing::Span;
use uuid::Uuid;

use super::{Decision, decide};
use crate::handler::{Answer, Delivery, Verdict};

const POSITION: u32 = 250;

fn decided(count: u32, answer: Answer) -> Decision {
    let span = Span::none();
    let delivery = Delivery {
        payload: b"bytes",
        count,
        batch: Uuid::nil(),
        position: POSITION,
        version: 7,
        received_at: DateTime::UNIX_EPOCH,
        deliveries: 1,
        span: &span,
    };
    decide(&delivery, answer)
}

fn settled(count: u32, answer: Answer) -> Settlement {
    match decided(count, answer) {
        Decision::Settle(settlement) => settlement,
        Decision::Release => panic!("released"),
    }
}

fn rejected(number: &str) -> Verdict {
    Verdict::Rejected { number: number.into(), reason: "no".into(), payload: vec![1] }
}

#[test]
fn each_verdict_is_counted_once_and_the_refused_keep_their_place_in_the_batch() {
    let verdicts = vec![Verdict::Unchanged, rejected("A"), Verdict::Recorded, Verdict::Recorded, rejected("a\0b")];
    let settlement = settled(5, Answer::Verdicts(verdicts));
    assert_eq!((settlement.recorded, settlement.unchanged), (2, 1));
    let buried: Vec<_> = settlement.rejected.iter().map(|one| (one.position, one.number.as_str())).collect();
    assert_eq!(buried, [(POSITION + 1, "A"), (POSITION + 4, "a\0b")]);
}

#[test]
fn a_damaged_chunk_is_buried_whole_and_its_bytes_once() {
    let settlement = settled(3, Answer::Damaged { reason: "why".into() });
    let [one] = settlement.rejected.as_slice() else { panic!("{settlement:?}") };
    assert_eq!((one.position, one.count, one.payload.as_slice()), (POSITION, 3, b"bytes".as_slice()));
    assert_eq!((one.code.as_str(), one.detail.as_str()), ("damaged", "why"));
}

#[test]
fn an_entry_that_no_admission_wrote_is_buried_with_its_bytes() {
    for answer in [Answer::Verdicts(Vec::new()), Answer::Damaged { reason: "why".into() }] {
        let settlement = settled(0, answer);
        assert_eq!((settlement.rejected[0].count, settlement.rejected[0].payload.as_slice()), (0, b"bytes".as_slice()));
    }
}

#[test]
fn verdicts_that_do_not_match_the_invoices_bury_the_chunk_and_lose_none() {
    let settlement = settled(2, Answer::Verdicts(vec![Verdict::Recorded]));
    assert_eq!((settlement.recorded, settlement.rejected[0].count), (0, 2));
    assert_eq!(settlement.rejected[0].payload, b"bytes");
}

#[test]
fn a_newer_chunk_goes_back() {
    assert_eq!(decided(2, Answer::Newer), Decision::Release);
}
