//! The same file makes the same requests; another file makes others.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{Batch, Cutter, Element, MOST_BYTES, Unreadable};

fn cut(texts: &[&str], most: usize) -> Vec<Batch> {
    let mut cutter = Cutter::new(most);
    let element =
        |(place, text): (u64, &&str)| Element { place, json: RawValue::from_string((*text).to_owned()).unwrap() };
    let mut batches: Vec<_> = (1..).zip(texts).filter_map(|one| cutter.add(element(one), 0)).collect();
    batches.extend(cutter.cut(0));
    batches
}

fn keys(texts: &[&str]) -> Vec<String> {
    cut(texts, 1).iter().map(|batch| batch.key(None)).collect()
}

#[test]
fn a_repeated_run_has_the_same_keys() {
    assert_eq!(keys(&["1", "2", "3"]), keys(&["1", "2", "3"]));
}

#[test]
fn batches_of_other_content_have_other_keys() {
    let keys = keys(&["1", "2", "12", "\"1\""]);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
}

#[test]
fn a_batch_that_stands_in_the_file_twice_is_sent_twice() {
    let keys = keys(&["1", "2", "1", "1"]);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
}

#[test]
fn invoices_keep_every_digit_and_their_order() {
    let texts = [r#"{"monto": 0.30000000000000004}"#, r#"{"monto": 1e2}"#, r#"{"monto": "1500.50"}"#];
    let bodies: Vec<_> = cut(&texts, 2).iter().map(Batch::body).collect();
    assert_eq!(bodies, [format!("[{},{}]", texts[0], texts[1]), format!("[{}]", texts[2])]);
}

#[test]
fn what_is_left_out_changes_the_key_in_the_same_way_at_every_run() {
    let left_out = |positions: &[usize]| {
        let mut batch = cut(&["1", "2", "3"], 3).remove(0);
        let out: Vec<_> = batch.leave_out(&positions.iter().copied().collect()).iter().map(|one| one.place).collect();
        (out, batch.body(), batch.key(None))
    };
    let (out, body, key) = left_out(&[1]);
    assert_eq!((out, body.as_str()), (vec![2], "[1,3]"));
    assert_eq!(key, left_out(&[1]).2);
    assert_ne!(key, left_out(&[2]).2);
    assert_ne!(key, left_out(&[]).2);
}

#[test]
fn no_batch_grows_over_its_bytes() {
    let large = format!("\"{}\"", "x".repeat(MOST_BYTES / 2));
    let batches = cut(&[&large, &large, &large], 10);
    assert_eq!(batches.iter().map(|batch| batch.elements.len()).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn what_cannot_be_read_travels_with_the_batch_around_it() {
    let mut cutter = Cutter::new(2);
    for place in 1..=2 {
        assert!(cutter.add_unreadable(Unreadable { place, reason: String::new() }, 0).is_none());
    }
    let full = cutter.add_unreadable(Unreadable { place: 3, reason: String::new() }, 0).unwrap();
    assert_eq!((full.elements.len(), full.unreadable.len()), (0, 2));
    assert_eq!(cutter.cut(0).unwrap().unreadable.len(), 1);
    assert!(cutter.cut(0).is_none());
}
