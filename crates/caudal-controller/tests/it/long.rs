//! The tests that have a long form: how long they run is set by the environment.

/// A whole number from the environment, or the short form's.
pub(crate) fn setting(name: &str, short: u64) -> u64 {
    std::env::var(name).map_or(short, |value| value.parse().unwrap_or_else(|_| panic!("{name}: {value} is no number")))
}
