#![doc = include_str!("../README.md")]

mod black_hole;
mod celery;
mod control_plane;
pub mod documents;
mod error;
mod folder;
mod otlp;
mod pgbouncer;
pub mod pki;
mod postgres;
mod process;
pub mod programs;
mod redis;
pub mod wait;

pub use black_hole::BlackHole;
pub use celery::Celery;
pub use control_plane::{ControlPlane, Site};
pub use error::Error;
pub use folder::free_port;
pub use otlp::{Export, OtlpSink, Protocol, Span};
pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use process::{Output, Process, Signal, bound_to_parent};
pub use redis::Redis;
