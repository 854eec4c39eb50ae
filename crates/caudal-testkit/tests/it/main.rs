//! The services are real: they answer, keep their data and leave nothing behind.

mod otlp;
mod process;
mod services;
