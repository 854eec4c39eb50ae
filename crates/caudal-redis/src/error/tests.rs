//! Which errors ask for what.

use redis::parse_redis_value;

use super::{Fault, RedisError};

fn answer(text: &str) -> RedisError {
    parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap().extract_error().unwrap_err()
}

#[test]
fn a_redis_that_starts_fails_over_or_cannot_save_is_away() {
    for text in [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "READONLY You can't write against a read only replica.",
        "BUSY Redis is busy running a script.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "NOREPLICAS Not enough good replicas to write.",
        "ERR max number of clients reached",
    ] {
        assert_eq!(Fault::of(&answer(text)), Fault::Unavailable, "{text}");
    }
}

#[test]
fn a_refused_connection_is_away() {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(Fault::of(&refused.into()), Fault::Unavailable);
}

#[test]
fn a_full_redis_is_out_of_memory() {
    let error = answer("OOM command not allowed when used memory > 'maxmemory'.");
    assert_eq!(Fault::of(&error), Fault::OutOfMemory);
}

#[test]
fn what_only_a_person_can_mend_is_misconfigured() {
    for text in [
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOPERM this user has no permissions to run the 'xadd' command",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR unknown command 'XADD'",
    ] {
        assert_eq!(Fault::of(&answer(text)), Fault::Misconfigured, "{text}");
    }
}
