//! Appetite, sets and pauses.

use std::time::Duration;

use super::{Appetite, Backoff, sets};

#[test]
fn the_appetite_grows_on_small_chunks_and_shrinks_at_once_on_large_ones() {
    let mut appetite = Appetite::default();
    for _ in 0..20 {
        appetite = appetite.after(&vec![1; appetite.chunks()]);
    }
    assert_eq!(appetite.chunks(), 1_000);
    assert_eq!(appetite.after(&[250; 1_000]).chunks(), 4);
    assert_eq!(appetite.after(&[100; 10]).chunks(), 10);
    assert_eq!(appetite.after(&[]), appetite);
    assert!(appetite.after(&[0, 0]).chunks() >= 1);
}

#[test]
fn a_lone_small_chunk_is_no_reason_to_ask_for_a_flood() {
    assert!(Appetite::default().after(&[1]).chunks() <= 8);
}

#[test]
fn sets_hold_all_chunks_in_order_and_about_a_thousand_invoices_each() {
    for counts in [vec![1; 2_500], vec![250; 9], vec![999, 2, 1_000, 1, 250], vec![3_000, 1], vec![0; 5], vec![]] {
        let sets = sets(&counts);
        let joined: Vec<usize> = sets.iter().cloned().flatten().collect();
        assert_eq!(joined, (0..counts.len()).collect::<Vec<_>>());
        for set in sets {
            let held: u32 = counts[set.clone()].iter().sum();
            assert!(held <= 1_000 || set.len() == 1, "{held}");
        }
    }
    assert_eq!(sets(&[250; 8]), [0..4, 4..8]);
}

#[test]
fn pauses_double_up_to_a_second() {
    let mut backoff = Backoff::default();
    let pauses: Vec<_> = (0..6).map(|_| backoff.next()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000].map(Duration::from_millis));
}
