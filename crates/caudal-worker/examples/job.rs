//! A worker whose jobs take until its queue is paused. A job that was cut is not done again but rejected, so that it shows. `REDIS_URL`
//! names the Redis, `HOSTNAME` the worker.

use std::env;
use std::time::Duration;

use caudal_queue::Queue;
use caudal_worker::{Answer, Delivery, Handler, Unavailable, Verdict, Worker};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often a job looks whether it is to end.
const LOOK: Duration = Duration::from_millis(200);

struct Jobs(Queue);

impl Handler for Jobs {
    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        let mut answers = Vec::with_capacity(set.len());
        for delivery in set {
            self.until_paused().await?;
            answers.push(answer(delivery));
        }
        Ok(answers)
    }
}

impl Jobs {
    async fn until_paused(&self) -> Result<(), Unavailable> {
        while !self.0.paused().await.map_err(|error| Unavailable::new(error.to_string()))? {
            sleep(LOOK).await;
        }
        Ok(())
    }
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
    let running = tokio::spawn(Worker::new(&queue, &env::var("HOSTNAME")?, Jobs(queue.clone())).run(shutdown.clone()));
    ended.recv().await;
    shutdown.cancel();
    Ok(running.await?)
}
