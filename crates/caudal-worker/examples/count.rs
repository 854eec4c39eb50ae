//! A handler that is not the ledger: it counts what comes by. `REDIS_URL` names the Redis; Ctrl-C ends it.

use std::sync::atomic::{AtomicU64, Ordering};

use caudal_queue::Queue;
use caudal_worker::{Answer, Delivery, Handler, Unavailable, Verdict, Worker};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Count {
    invoices: AtomicU64,
}

impl Handler for Count {
    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        let seen: u64 = set.iter().map(|delivery| u64::from(delivery.count)).sum();
        let before = self.invoices.fetch_add(seen, Ordering::Relaxed);
        tracing::info!(chunks = set.len(), invoices = before + seen, "counted");
        Ok(set.iter().map(|delivery| Answer::Verdicts(vec![Verdict::Recorded; delivery.count as usize])).collect())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost:6379/0".to_owned());
    let redis = caudal_redis::Client::new(&caudal_redis::Options { redis_url: url.into() })?;
    let queue = Queue::new(&redis, &caudal_queue::Options { queue: "facturas".parse()? });
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Worker::new(&queue, "count", Count::default()).run(shutdown.clone()));
    tokio::signal::ctrl_c().await?;
    shutdown.cancel();
    Ok(running.await?)
}
