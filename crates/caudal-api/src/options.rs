//! The settings of the HTTP side.

use std::net::SocketAddr;

/// Where the API listens, and when it turns batches away.
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
}
