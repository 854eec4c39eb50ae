//! When Redis is short of memory.

use caudal_queue::Memory;

use super::is_tight;

#[test]
fn redis_is_short_of_memory_over_85_percent_of_a_limit() {
    assert!(!is_tight(Memory { used: 85, limit: Some(100) }));
    assert!(is_tight(Memory { used: 86, limit: Some(100) }));
    assert!(!is_tight(Memory { used: u64::MAX, limit: None }));
}
