//! Tells how long each step took.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

/// The time between steps, told on standard error.
#[derive(Debug)]
pub(crate) struct Steps {
    start: Instant,
    last: Instant,
}

impl Steps {
    /// The first step begins.
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self { start: now, last: now }
    }

    /// A step is over, and the next one begins.
    pub(crate) fn done(&mut self, what: &str) {
        let now = Instant::now();
        tell(now - self.last, what);
        self.last = now;
    }

    /// All steps so far, together.
    pub(crate) fn total(&mut self, what: &str) {
        self.last = Instant::now();
        tell(self.last - self.start, what);
    }
}

fn tell(time: Duration, what: &str) {
    // Nobody reading is no reason to stop.
    let _ = writeln!(std::io::stderr(), "cluster: {:5.2} s  {what}", time.as_secs_f32());
}
