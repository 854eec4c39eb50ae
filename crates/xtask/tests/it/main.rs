//! What the scripts promise to whoever runs them, and the chart to whoever installs it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod chart;
mod control_plane;
