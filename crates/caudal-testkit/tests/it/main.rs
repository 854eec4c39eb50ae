//! The services are real: they answer, keep their data and leave nothing behind.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod control_plane;
mod otlp;
mod ports;
mod process;
mod services;
