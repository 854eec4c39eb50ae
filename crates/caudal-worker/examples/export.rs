//! A handler that is not the ledger: each invoice becomes a file. `REDIS_URL` names the Redis, the argument a folder; Ctrl-C
//! ends it.

use std::path::PathBuf;

use caudal_invoice::{Invoice, chunk};
use caudal_queue::Queue;
use caudal_worker::{Answer, Delivery, Handler, Unavailable, Verdict, Worker};
use tokio::fs;
use tokio_util::sync::CancellationToken;

struct Export {
    folder: PathBuf,
}

impl Export {
    /// Writes one invoice. A file's name is the invoice's version, so to write it twice is harmless.
    async fn write(&self, invoice: &Invoice, version: i64) -> Verdict {
        let number = invoice.number.clone();
        let payload = chunk::encode(std::slice::from_ref(invoice));
        if invoice.amount.is_sign_negative() {
            let (code, detail) = ("negative_amount".to_owned(), "credit notes are not exported".to_owned());
            return Verdict::Rejected { number, code, detail, payload };
        }
        let text = format!("{};{};{};{}\n", invoice.rut, invoice.number, invoice.amount, invoice.issued_on);
        match fs::write(self.folder.join(format!("{version}.csv")), text).await {
            Ok(()) => Verdict::Recorded,
            Err(error) => {
                Verdict::Failed { number, code: "not_written".to_owned(), detail: error.kind().to_string(), payload }
            }
        }
    }

    async fn answer(&self, delivery: &Delivery<'_>) -> Answer {
        let invoices = match chunk::decode(delivery.payload) {
            Ok(invoices) => invoices,
            Err(chunk::Error::Newer(_)) => return Answer::Newer,
            Err(damaged) => return Answer::Damaged { reason: damaged.to_string() },
        };
        let mut verdicts = Vec::with_capacity(invoices.len());
        for (version, invoice) in (delivery.version..).zip(&invoices) {
            verdicts.push(self.write(invoice, version).await);
        }
        Answer::Verdicts(verdicts)
    }
}

impl Handler for Export {
    async fn ready(&self) -> Result<(), Unavailable> {
        fs::create_dir_all(&self.folder).await.map_err(Unavailable::new)
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        let mut answers = Vec::with_capacity(set.len());
        for delivery in set {
            answers.push(self.answer(delivery).await);
        }
        Ok(answers)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost:6379/0".to_owned());
    let folder = std::env::args_os().nth(1).map_or_else(|| "exported".into(), PathBuf::from);
    let redis = caudal_redis::Client::new(&caudal_redis::Options { redis_url: url.into() })?;
    let queue = Queue::new(&redis, &caudal_queue::Options { queue: "facturas".parse()? });
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Worker::new(&queue, "export", Export { folder }).run(shutdown.clone()));
    tokio::signal::ctrl_c().await?;
    shutdown.cancel();
    Ok(running.await?)
}
