//! `caudal api`: answers HTTP requests and queues what they bring.

use caudal_api::Listeners;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use super::Stores;

/// Settings of the API.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    api: caudal_api::Options,
    #[command(flatten)]
    stores: Stores,
}

/// Serves until `shutdown`.
pub(crate) async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    allow_open_files();
    let (queue, ledger) = options.stores.open()?;
    let listeners = Listeners::bind(&options.api).await?;
    caudal_api::serve(listeners, &options.api, queue, ledger, shutdown).await?;
    Ok(())
}

/// Lets this process open as many files as it may: every client is one. Where that is refused it has what it had.
fn allow_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(error = &error as &dyn std::error::Error, "the limit of open files stays as it is");
    }
}
