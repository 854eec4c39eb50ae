//! A worker whose jobs take as long as they say: a chunk's payload is the Unix time, in seconds, at which it is done. A job that was cut
//! is not done again but rejected, so that it shows. `REDIS_URL` names the Redis, `HOSTNAME` the worker.

use std::env;
use std::time::{Duration, SystemTime};

use caudal_queue::Queue;
use caudal_worker::{Answer, Delivery, Handler, Unavailable, Verdict, Worker};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

struct Jobs;

impl Handler for Jobs {
    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        let mut answers = Vec::with_capacity(set.len());
        for delivery in set {
            sleep(time_left(delivery.payload)).await;
            answers.push(answer(delivery));
        }
        Ok(answers)
    }
}

fn time_left(payload: &[u8]) -> Duration {
    let done = std::str::from_utf8(payload).ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(done).saturating_sub(now)
}

fn answer(delivery: &Delivery<'_>) -> Answer {
    if delivery.deliveries > 1 {
        return Answer::Damaged { reason: format!("cut: delivered {} times", delivery.deliveries) };
    }
    Answer::Verdicts((0..delivery.count).map(|_| Verdict::Recorded).collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let redis = caudal_redis::Client::new(&caudal_redis::Options { redis_url: env::var("REDIS_URL")?.into() })?;
    let queue = Queue::new(&redis, &caudal_queue::Options { queue: "jobs".parse()? });
    let mut ended = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Worker::new(&queue, &env::var("HOSTNAME")?, Jobs).run(shutdown.clone()));
    ended.recv().await;
    shutdown.cancel();
    Ok(running.await?)
}
