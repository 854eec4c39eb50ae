//! Which Redis is fit.

use super::{Memory, unfit};

#[test]
fn an_evicting_or_old_redis_is_unfit_and_the_reason_names_what_is_needed() {
    assert!(unfit("7.0.15", "allkeys-lru").unwrap().contains("noeviction"));
    assert!(unfit("7.2.4", "volatile-ttl").unwrap().contains("volatile-ttl"));
    assert!(unfit("6.2.14", "noeviction").unwrap().contains("6.2.14"));
}

#[test]
fn a_redis_that_keeps_its_keys_is_fit_and_so_is_one_that_does_not_tell() {
    for (version, policy) in [("7.0.15", "noeviction"), ("8.2.1", "noeviction"), ("7.2.4", ""), ("", "")] {
        assert_eq!(unfit(version, policy), None);
    }
}

#[test]
fn redis_is_short_of_memory_over_85_percent_of_a_limit() {
    assert!(!Memory { used: 85, limit: Some(100) }.is_tight());
    assert!(Memory { used: 86, limit: Some(100) }.is_tight());
    assert!(!Memory { used: u64::MAX, limit: None }.is_tight());
}
