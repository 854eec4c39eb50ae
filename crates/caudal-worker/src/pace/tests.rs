//! Appetite, sets and pauses.

use std::time::Duration;

use super::{Appetite, Backoff, SET, first_set, keep, retry_after};

#[test]
fn the_appetite_grows_on_small_chunks_and_shrinks_at_once_on_large_ones() {
    let mut appetite = Appetite::default();
    for _ in 0..20 {
        appetite = appetite.after(&vec![1; appetite.chunks(SET)]);
    }
    assert_eq!(appetite.chunks(SET), 1_000);
    assert_eq!(appetite.chunks(1), 1);
    assert_eq!(appetite.after(&[250; 1_000]).chunks(SET), 4);
    assert_eq!(appetite.after(&[100; 10]).chunks(SET), 10);
    assert_eq!(appetite.after(&[100; 10]).chunks(300), 3);
    assert_eq!(appetite.after(&[]), appetite);
    assert!(appetite.after(&[0, 0]).chunks(SET) >= 1);
}

#[test]
fn a_lone_small_chunk_is_no_reason_to_ask_for_a_flood() {
    assert!(Appetite::default().after(&[1]).chunks(SET) <= 8);
}

#[test]
fn of_large_chunks_after_small_ones_two_sets_are_kept_at_most() {
    assert_eq!(keep(&[250; 1_000], SET), 8);
    assert_eq!(keep(&[250; 1_000], 1), 4);
    assert_eq!(keep(&[1; 1_000], SET), 1_000);
    assert_eq!(keep(&[5_000, 1], SET), 1);
    assert_eq!(keep(&[0; 10], SET), 10);
    assert_eq!(keep(&[1, 5_000, 1], 1), 1);
}

#[test]
fn a_set_is_what_is_there_up_to_a_thousand_invoices() {
    let together = |counts: &[usize]| first_set(counts.iter().map(|count| (*count, false)));
    assert_eq!(together(&[]), 0);
    assert_eq!(together(&[1]), 1);
    assert_eq!(together(&[250; 8]), 4);
    assert_eq!(together(&[999, 2]), 1);
    assert_eq!(together(&[999, 1, 1]), 2);
    assert_eq!(together(&[3_000, 1]), 1);
    assert_eq!(together(&[0; 5]), 5);
}

#[test]
fn what_must_be_alone_is_a_set_of_its_own() {
    assert_eq!(first_set([(1, true), (1, false)].into_iter()), 1);
    assert_eq!(first_set([(1, false), (1, false), (1, true)].into_iter()), 2);
}

#[test]
fn retries_wait_one_second_doubling_to_sixty_less_what_chance_takes() {
    let full: Vec<_> = (1..=9).map(|attempt| retry_after(attempt, 0.0).as_secs()).collect();
    assert_eq!(full, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(retry_after(1, 1.0), Duration::from_millis(800));
    assert_eq!(retry_after(u32::MAX, 0.5), Duration::from_secs(54));
    assert_eq!(retry_after(0, 0.0), Duration::from_secs(1));
}

#[test]
fn pauses_double_up_to_a_second() {
    let mut backoff = Backoff::default();
    let pauses: Vec<_> = (0..6).map(|_| backoff.next()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000].map(Duration::from_millis));
}
