//! `caudal migrate`: makes the ledger's tables, once PostgreSQL is there.

use std::time::Duration;

use caudal_ledger::{Error, Ledger, Options};

/// How long to wait before PostgreSQL is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Migrates, waiting for PostgreSQL as long as it takes: whoever starts this also decides when to give up.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let ledger = Ledger::new(options)?;
    while let Err(error) = ledger.migrate().await {
        let Error::Unavailable { .. } = &error else { return Err(error.into()) };
        tracing::warn!(error = &error as &dyn std::error::Error, "the ledger cannot be reached, trying again");
        tokio::time::sleep(RETRY).await;
    }
    tracing::info!("the ledger's tables are up to date");
    ledger.close().await;
    Ok(())
}
