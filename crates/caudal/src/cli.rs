//! The command line: one executable, a role a subcommand.

use std::pin::Pin;

use anyhow::{Context, anyhow};
use clap::{CommandFactory, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{adopt, dead, dev, queue, role, send, setting};

/// Takes invoices in over HTTP, queues them in Redis, records each once in PostgreSQL, and scales its workers.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    telemetry: caudal_telemetry::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer HTTP requests and queue what they bring
    Api(role::api::Options),
    /// Record queued invoices in the ledger
    Worker(role::worker::Options),
    /// Scale the workers of a cluster to the queue
    Controller(role::controller::Options),
    /// Make the ledger's tables, or bring them up to date
    Migrate(caudal_ledger::Options),
    /// Print the QueueScaler's definition, for `kubectl apply --server-side -f -`
    Crd,
    /// Hand the invoices of a file to an API; repeating it is harmless
    Send(send::Options),
    /// Look at the queue, pause it, recount it
    #[command(subcommand)]
    Queue(queue::Action),
    /// Look at buried invoices, try them again, drop them
    #[command(subcommand)]
    Dead(dead::Action),
    /// Take over from the service this one replaces: its idempotency keys and its Celery queue
    Adopt(adopt::Options),
    /// Run everything on this machine, with a sample
    Dev(dev::Options),
}

impl Command {
    /// The name under which its logs and traces appear.
    fn role(&self) -> &'static str {
        match self {
            Self::Api(_) => "api",
            Self::Worker(_) => "worker",
            Self::Controller(_) => "controller",
            Self::Migrate(_) => "migrate",
            Self::Crd => "crd",
            Self::Send(_) => "send",
            Self::Queue(_) => "queue",
            Self::Dead(_) => "dead",
            Self::Adopt(_) => "adopt",
            Self::Dev(_) => "dev",
        }
    }

    /// Whether it runs until it is told to finish; the others do something and end.
    fn stays(&self) -> bool {
        matches!(self, Self::Api(_) | Self::Worker(_) | Self::Controller(_) | Self::Dev(_))
    }

    async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        match self {
            Self::Api(options) => role::api::run(options, shutdown).await,
            Self::Worker(options) => role::worker::run(options, shutdown).await,
            Self::Controller(options) => role::controller::run(options, shutdown).await,
            Self::Migrate(options) => role::migrate::run(&options, shutdown).await,
            Self::Crd => role::crd::run(),
            Self::Send(options) => send::run(options, shutdown).await,
            Self::Queue(action) => queue::run(action, shutdown).await,
            Self::Dead(action) => dead::run(action, shutdown).await,
            Self::Adopt(options) => adopt::run(options, shutdown).await,
            Self::Dev(options) => dev::run(options, shutdown).await,
        }
    }
}

impl Cli {
    /// Reads the command line and the environment. Ends the process itself where help is asked for or the usage is wrong.
    ///
    /// # Errors
    /// One line for a value that is not allowed.
    pub(crate) fn read() -> anyhow::Result<Self> {
        Self::try_parse().map_err(|error| {
            let arguments: Vec<_> =
                std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
            setting::explain(&error, Self::command(), &arguments).map_or_else(|| error.exit(), |line| anyhow!(line))
        })
    }

    /// Runs the role until it ends or a signal (SIGTERM, SIGINT, SIGHUP) has made it finish.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        // Both ring users, Redis over TLS and the Kubernetes client, take the process-wide provider; it is set once, here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let telemetry = caudal_telemetry::init(&self.telemetry, self.command.role())?;
        let shutdown = CancellationToken::new();
        let stays = self.command.stays();
        let role = Box::pin(self.command.run(shutdown.clone()));
        let told = |signal| {
            if stays {
                tracing::info!(signal, "finishing");
            }
            shutdown.cancel();
        };
        let done = until_signal(role, told).await;
        telemetry.shutdown().await;
        done
    }
}

/// Runs the role, and tells the first signal.
async fn until_signal(
    mut role: Pin<Box<impl Future<Output = anyhow::Result<()>>>>,
    told: impl FnOnce(&'static str),
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be heard")?;
    let named = tokio::select! {
        done = &mut role => return done,
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = hangup.recv() => "SIGHUP",
    };
    told(named);
    role.await
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
