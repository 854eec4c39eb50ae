//! The way to the API server: so many requests at a time, and none before the time it asked to wait for.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::watched::locked;

/// Each request under way takes a connection of its own.
const AT_A_TIME: usize = 32;
/// However long the API server asks to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

struct Gate {
    client: Client,
    places: Semaphore,
    closed_until: Mutex<Option<Instant>>,
}

/// A client for the same cluster that asks no more than 32 things at a time, and after an answer that says when to ask again nothing
/// before that. What is waiting here counts against the time limit of who asks.
pub(crate) fn gated(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let gate = Arc::new(Gate { client, places: Semaphore::new(AT_A_TIME), closed_until: Mutex::default() });
    let service = tower::service_fn(move |request: Request<Body>| {
        let gate = Arc::clone(&gate);
        async move { gate.pass(request).await }
    });
    Client::new(service, namespace)
}

impl Gate {
    async fn pass(&self, request: Request<Body>) -> kube::Result<Response<Body>> {
        let _place = self.places.acquire().await;
        while let Some(until) = self.closed_until() {
            sleep_until(until).await;
        }
        let answer = self.client.send(request).await?;
        if let Some(wait) = asked_to_wait(&answer) {
            *locked(&self.closed_until) = Some(Instant::now() + wait);
        }
        Ok(answer)
    }

    fn closed_until(&self) -> Option<Instant> {
        locked(&self.closed_until).filter(|until| *until > Instant::now())
    }
}

fn asked_to_wait(answer: &Response<Body>) -> Option<Duration> {
    let overloaded = matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let header = answer.headers().get(http::header::RETRY_AFTER).filter(|_| overloaded)?;
    let seconds = header.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}
