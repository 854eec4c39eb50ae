//! How long to wait after failures.

#[cfg(test)]
mod tests;

use std::time::Duration;

use kube::runtime::utils::Backoff;
use tokio::time::Instant;

/// After the first failure; doubled with each further one in a row.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(8);

/// The pause after so many failures in a row: 2, 4, 8 s, of which `jitter`, from 0 to 1, takes off up to a half, so that what
/// failed together does not come back together.
pub(crate) fn pause(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = LONGEST.min(FIRST * (1 << doublings));
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

/// The pauses of a watch.
#[derive(Debug, Default)]
pub(crate) struct WatchBackoff {
    failures: u32,
    failed_at: Option<Instant>,
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let lasting = self.failed_at.is_some_and(|at| at.elapsed() < LONGEST * 2);
        self.failures = if lasting { self.failures.saturating_add(1) } else { 1 };
        self.failed_at = Some(Instant::now());
        // A watch hears of a restarted API server only when it asks, so it waits half as long as others.
        Some(pause(self.failures, fastrand::f64()) / 2)
    }
}

impl Backoff for WatchBackoff {
    /// Does nothing: each attempt to list begins with a success. A row of failures ends when none came for a while.
    fn reset(&mut self) {}
}
