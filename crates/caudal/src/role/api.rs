//! `caudal api`: answers HTTP requests and queues what they bring.

use caudal_api::Listeners;
use caudal_ledger::Ledger;
use caudal_queue::Queue;
use tokio_util::sync::CancellationToken;

/// Settings of the API.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    api: caudal_api::Options,
    #[command(flatten)]
    redis: caudal_redis::Options,
    #[command(flatten)]
    queue: caudal_queue::Options,
    #[command(flatten)]
    ledger: caudal_ledger::Options,
}

/// Serves until `shutdown`.
pub(crate) async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let queue = Queue::new(&caudal_redis::Client::new(&options.redis)?, &options.queue);
    let ledger = Ledger::new(&options.ledger)?;
    let listeners = Listeners::bind(&options.api).await?;
    caudal_api::serve(listeners, &options.api, queue, ledger, shutdown).await?;
    Ok(())
}
