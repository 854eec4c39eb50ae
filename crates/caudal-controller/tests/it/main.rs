//! The controller on a real API server and a real Redis.

mod definition;
mod leading;
mod scaling;
mod world;
mod writing;
