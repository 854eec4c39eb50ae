//! Start, readiness and end.

use caudal_api::{Listeners, Options};
use caudal_testkit::{Redis, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{SOON, Site, options};

#[tokio::test]
async fn an_address_in_use_stops_the_start_with_one_line_that_names_it() {
    let taken = Listeners::bind(&options()).await.unwrap();
    let error = Listeners::bind(&Options { listen: taken.address(), ..options() }).await.unwrap_err().to_string();
    assert!(error.contains("CAUDAL_LISTEN") && error.contains(&taken.address().to_string()), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[tokio::test]
async fn it_is_ready_once_redis_was_fit_and_stays_ready_through_an_outage() {
    let mut redis = Redis::start().await.unwrap();
    redis.stop().await.unwrap();
    let site = Site::start(&redis.url()).await;
    assert_eq!(site.ops_status("/readyz").await, 503);

    redis.restart().await.unwrap();
    let ready = async || match site.ops_status("/readyz").await {
        200 => Ok(()),
        status => Err(status),
    };
    wait::until("the API is ready", SOON, ready).await.unwrap();

    redis.stop().await.unwrap();
    assert_eq!(site.post("k", &crate::site::invoices(1)).await.status(), 503);
    assert_eq!(site.ops_status("/readyz").await, 200);
}

#[tokio::test]
async fn at_the_end_the_request_under_way_is_answered_and_no_new_one_is_taken() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let mut connection = TcpStream::connect(site.address).await.unwrap();
    let head = "POST /facturas/ HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = connection.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 100"), "the request is under way");

    site.shutdown.cancel();
    let refused = async || TcpStream::connect(site.address).await.map_or(Ok(()), |_| Err("a connection was taken"));
    wait::until("new connections are refused", SOON, refused).await.unwrap();
    assert_eq!(site.ops_status("/healthz").await, 200, "the probes answer until the request is done");
    assert!(!site.task.is_finished());
    connection.write_all(b"[]").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    site.task.await.unwrap().unwrap();
}
