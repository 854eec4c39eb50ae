//! When to come again, by how fast the backlog falls.

use std::time::Duration;

use tokio::time::Instant;

use super::Drain;

/// What is said after these looks, one a second.
fn seconds(looks: &[u64]) -> u32 {
    let start = Instant::now();
    let mut drain = Drain::default();
    for (at, backlog) in (0..).zip(looks) {
        drain.observe(*backlog, start + Duration::from_secs(at));
    }
    drain.seconds()
}

#[test]
fn the_time_is_what_the_backlog_takes_at_its_speed() {
    assert_eq!(seconds(&[10_000, 9_000]), 9);
    assert_eq!(seconds(&[10_000, 9_000, 8_000, 7_000]), 7);
    assert_eq!(seconds(&[100_000, 99_999]), 60);
    assert_eq!(seconds(&[10_000, 1]), 1);
}

#[test]
fn a_backlog_that_stands_still_takes_the_longest_and_an_unknown_one_a_few_seconds() {
    assert_eq!(seconds(&[500, 500]), 60);
    assert_eq!(seconds(&[]), 5);
    assert_eq!(seconds(&[500]), 5);
    assert_eq!(seconds(&[500, 600]), 5);
    assert_eq!(seconds(&[0, 0]), 5);
}

#[test]
fn a_rising_backlog_leaves_the_speed_as_it_was_learned() {
    assert_eq!(seconds(&[10_000, 9_000, 20_000]), 20);
}
