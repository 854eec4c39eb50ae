//! When run-out leases are believed.

use std::time::Duration;

use tokio::time::Instant;

use super::Reach;

const LEASE: Duration = Duration::from_secs(15);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_lease_is_believed_to_have_run_out_once_redis_was_there_for_a_lease_time() {
    let start = Instant::now();
    let mut reach = Reach::default();
    assert!(!reach.is_steady(start + LEASE, LEASE));
    reach.heard(true, start, LEASE);
    assert!(!reach.is_steady(start + seconds(14), LEASE));
    assert!(reach.is_steady(start + LEASE, LEASE));
}

#[test]
fn after_an_outage_the_time_begins_anew_with_the_first_answer() {
    let start = Instant::now();
    let mut reach = Reach::default();
    reach.heard(true, start, LEASE);
    reach.heard(false, start + seconds(20), LEASE);
    assert!(!reach.is_steady(start + seconds(26), LEASE));
    reach.heard(true, start + seconds(30), LEASE);
    assert!(!reach.is_steady(start + seconds(44), LEASE));
    assert!(reach.is_steady(start + seconds(45), LEASE));
}

#[test]
fn the_silence_before_the_first_failure_belongs_to_the_outage() {
    let start = Instant::now();
    let mut reach = Reach::default();
    reach.heard(true, start, LEASE);
    reach.heard(false, start + seconds(20), LEASE);
    reach.heard(true, start + seconds(21), LEASE);
    assert!(!reach.is_steady(start + seconds(22), LEASE));
}

#[test]
fn calls_that_fail_now_and_then_are_no_outage() {
    let start = Instant::now();
    let mut reach = Reach::default();
    for second in 0..20 {
        reach.heard(second % 2 == 0, start + seconds(second), LEASE);
    }
    assert!(reach.is_steady(start + seconds(20), LEASE));
}

#[test]
fn a_consumer_that_did_not_ask_has_seen_no_outage() {
    let start = Instant::now();
    let mut reach = Reach::default();
    reach.heard(true, start, LEASE);
    reach.heard(true, start + seconds(60), LEASE);
    assert!(reach.is_steady(start + seconds(60), LEASE));
}
