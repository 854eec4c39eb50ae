//! `caudal api`: answers HTTP requests and queues what they bring.

use caudal_api::Listeners;
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
    let (queue, ledger) = options.stores.open()?;
    let listeners = Listeners::bind(&options.api).await?;
    caudal_api::serve(listeners, &options.api, queue, ledger, shutdown).await?;
    Ok(())
}
