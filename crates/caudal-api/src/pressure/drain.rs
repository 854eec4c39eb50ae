//! How fast the backlog is worked off, learned by looking at it again and again.

use tokio::time::Instant;

/// What to say while nothing is known.
const UNKNOWN_SECONDS: u32 = 5;
const LONGEST_SECONDS: u32 = 60;
/// How much one more look counts against what was known.
const WEIGHT: f64 = 0.3;

/// The backlog, and the speed at which it falls.
#[derive(Debug, Default)]
pub(super) struct Drain {
    last: Option<(u64, Instant)>,
    /// Invoices a second.
    rate: Option<f64>,
}

impl Drain {
    /// Learns from one more look. A rising backlog tells nothing: more came in than went out.
    pub(super) fn observe(&mut self, backlog: u64, now: Instant) {
        if let Some((before, then)) = self.last.replace((backlog, now))
            && let Some(fallen) = before.checked_sub(backlog)
            && before > 0
        {
            let rate = fallen as f64 / (now - then).as_secs_f64().max(0.001);
            self.rate = Some(self.rate.map_or(rate, |known| known + WEIGHT * (rate - known)));
        }
    }

    /// In how many seconds what waits should be worked off: 1 to 60.
    pub(super) fn seconds(&self) -> u32 {
        match (self.last, self.rate) {
            (Some((backlog, _)), Some(rate)) => {
                let seconds = (backlog as f64 / rate.max(f64::EPSILON)).ceil();
                // A cast from a float keeps to the bounds of the integer.
                (seconds as u32).clamp(1, LONGEST_SECONDS)
            }
            _ => UNKNOWN_SECONDS,
        }
    }
}

#[cfg(test)]
mod tests;
