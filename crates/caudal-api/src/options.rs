//! The settings of the HTTP side.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::Limits;

/// Where the API listens, whom it answers, and when it turns batches away.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Address for clients
    #[arg(long, env = "CAUDAL_LISTEN", default_value = "0.0.0.0:8000", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Where probes and operators ask.
    #[command(flatten)]
    pub ops: caudal_telemetry::ops::Options,
    /// Invoices that may wait before batches are answered with 429
    #[arg(long, env = "CAUDAL_MAX_BACKLOG", default_value_t = 1_000_000, value_name = "INVOICES")]
    pub max_backlog: u64,
    /// File of API keys, `name:key` a line, read again when it changes; without it anyone may call
    #[arg(long, env = "CAUDAL_API_KEYS_FILE", value_name = "FILE")]
    pub api_keys_file: Option<PathBuf>,
    /// How a repeated Idempotency-Key is answered
    #[arg(long, env = "CAUDAL_ON_DUPLICATE", value_enum, default_value_t)]
    pub on_duplicate: OnDuplicate,
    /// Whether a RUT's check digit is verified
    #[arg(long, env = "CAUDAL_RUT_CHECK", value_enum, default_value_t)]
    pub rut_check: RutCheck,
    /// How long clients may take, and how many there may be.
    #[arg(skip)]
    pub limits: Limits,
}

/// How a repeated Idempotency-Key is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnDuplicate {
    /// Always 409
    #[default]
    Conflict,
    /// The first answer for the same invoices, 422 for others
    Replay,
}

/// Whether a RUT's check digit is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RutCheck {
    /// Any text names a client
    #[default]
    Lax,
    /// 422 for what is no RUT, or has another check digit
    Strict,
}

impl From<RutCheck> for caudal_invoice::RutCheck {
    fn from(check: RutCheck) -> Self {
        match check {
            RutCheck::Lax => Self::Lax,
            RutCheck::Strict => Self::Strict,
        }
    }
}
