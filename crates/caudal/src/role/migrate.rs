//! `caudal migrate`: makes the ledger's tables, once PostgreSQL is there.

use std::time::Duration;

use anyhow::bail;
use caudal_ledger::{Error, Ledger, Options};
use tokio_util::sync::CancellationToken;

/// How long to wait before PostgreSQL is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Migrates, waiting for PostgreSQL until `shutdown`: whoever starts this also decides when to give up.
pub(crate) async fn run(options: &Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ledger = Ledger::new(options)?;
    match shutdown.run_until_cancelled(migrate(&ledger)).await {
        Some(migrated) => migrated?,
        None => bail!("stopped before the ledger's tables were up to date"),
    }
    tracing::info!("the ledger's tables are up to date");
    ledger.close().await;
    Ok(())
}

async fn migrate(ledger: &Ledger) -> Result<(), Error> {
    while let Err(error) = ledger.migrate().await {
        let Error::Unavailable { .. } = &error else { return Err(error) };
        tracing::warn!(error = &error as &dyn std::error::Error, "the ledger cannot be reached, trying again");
        tokio::time::sleep(RETRY).await;
    }
    Ok(())
}
