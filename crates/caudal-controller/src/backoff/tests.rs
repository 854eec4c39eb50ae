//! Pauses grow up to a limit, and jitter spreads them.

use std::time::Duration;

use super::pause;

#[test]
fn pauses_double_up_to_their_limit() {
    let seconds: Vec<u64> = (1..=6).map(|failures| pause(failures, 0.0).as_secs()).collect();
    assert_eq!(seconds, [2, 4, 8, 8, 8, 8]);
    assert_eq!(pause(u32::MAX, 0.0), Duration::from_secs(8));
}

#[test]
fn jitter_takes_off_up_to_a_half() {
    assert_eq!(pause(1, 1.0), Duration::from_secs(1));
    assert_eq!(pause(4, 0.5), Duration::from_secs(6));
    assert_eq!(pause(4, 7.0), Duration::from_secs(4));
}
