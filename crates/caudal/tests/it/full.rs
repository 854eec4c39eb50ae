//! A Redis that is full: it takes nothing in, drains, and takes in again.

use std::time::Duration;

use caudal_testkit::wait;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, invoices};
use crate::stack::Stack;

const WITHIN: Duration = Duration::from_secs(60);
const BATCH: usize = 1_000;

/// Sends batches until one is not taken in; returns how many were, and that answer's status.
async fn fill(client: &Client, series: &str) -> (usize, StatusCode) {
    let mut taken = 0;
    loop {
        let key = format!("{series}-{taken}");
        match client.post(&key, &invoices(&key, BATCH)).await.status {
            StatusCode::ACCEPTED => taken += 1,
            status => return (taken, status),
        }
    }
}

async fn limit_memory(port: u16, bytes: u64) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    connection.write_all(format!("CONFIG SET maxmemory {bytes}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_turns_batches_away_drains_and_takes_them_in_again() {
    let stack = Stack::start().await;
    let api = stack.api().await;
    let memory = async || stack.queue().memory().await.unwrap();
    let empty = memory().await.used;
    limit_memory(stack.redis.port(), 2 * empty).await;

    let (first, status) = fill(&api.client, "first").await;
    assert!(first > 0);
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    // Not even a worker's own bookkeeping finds room now.
    let full = memory().await.used;
    limit_memory(stack.redis.port(), full / 2).await;
    assert_eq!(api.client.post("over", &invoices("over", 1)).await.status, StatusCode::TOO_MANY_REQUESTS);

    let _worker = stack.worker().await;
    let expected = format!("{} ", first * BATCH);
    wait::until("all is recorded", WITHIN, async || match stack.totals().await {
        Ok(totals) if totals.starts_with(&expected) => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();

    limit_memory(stack.redis.port(), 2 * empty).await;
    wait::until("batches are taken in again", WITHIN, async || {
        match api.client.post("over", &invoices("over", 1)).await.status {
            StatusCode::ACCEPTED => Ok(()),
            status => Err(status),
        }
    })
    .await
    .unwrap();
    assert_eq!(api.client.post("first-0", &invoices("first-0", BATCH)).await.status, StatusCode::CONFLICT);
}
