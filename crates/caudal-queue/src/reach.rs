//! Whether Redis has been reached for so long that a lease which looks run out is. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// What one consumer, or one who looks at the queue, has heard of Redis.
///
/// The living renew three times in a lease's time. Where Redis was silent for no longer than one such turn, none of them looks dead,
/// so calls that fail now and then, as they do on a poor network, are not taken for an outage: else no dead worker's leases would
/// ever be taken over there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    steady_since: Option<Instant>,
    last_answer: Option<Instant>,
    failing: bool,
}

impl Reach {
    /// Notes how a call went.
    pub(crate) fn heard(&mut self, answered: bool, now: Instant, lease: Duration) {
        if answered {
            let outage = self.is_outage(now, lease);
            self.steady_since = self.steady_since.filter(|_| !outage).or(Some(now));
            self.last_answer = Some(now);
        }
        self.failing = !answered;
    }

    /// Whether Redis has been there for a whole lease time.
    pub(crate) fn is_steady(&self, now: Instant, lease: Duration) -> bool {
        let long = self.steady_since.is_some_and(|since| now - since >= lease);
        long && !self.is_outage(now, lease)
    }

    /// The milliseconds of silence that count as the end of a lease; -1 while none does.
    pub(crate) fn believed_silence(&self, now: Instant, lease: Duration) -> i64 {
        if self.is_steady(now, lease) { lease.as_millis() as i64 } else { -1 }
    }

    fn is_outage(&self, now: Instant, lease: Duration) -> bool {
        self.failing && self.last_answer.is_none_or(|at| now - at > lease / 3)
    }
}

#[cfg(test)]
mod tests;
