//! The services are real: they answer, keep their data and leave nothing behind.

mod control_plane;
mod otlp;
mod process;
mod services;
