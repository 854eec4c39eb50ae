//! Clients that speak HTTP/2 without asking first.

use std::time::Duration;

use caudal_api::{Limits, Options};
use caudal_testkit::{Redis, wait};
use reqwest::{Client, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::site::{NO_DATABASE, SOON, Site, invoices, options};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn client() -> Client {
    Client::builder().http2_prior_knowledge().no_proxy().build().unwrap()
}

async fn connect(site: &Site, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Whether a frame of this type comes before the connection ends.
async fn hears(stream: &mut TcpStream, kind: u8) -> bool {
    payload(stream, kind).await.is_some()
}

/// What the next frame of this type says.
async fn payload(stream: &mut TcpStream, kind: u8) -> Option<Vec<u8>> {
    let mut head = [0; 9];
    while let Ok(Ok(_)) = timeout(SOON, stream.read_exact(&mut head)).await {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == kind {
            return Some(payload);
        }
    }
    None
}

const PING: u8 = 6;
const GO_AWAY: u8 = 7;

#[tokio::test]
async fn a_batch_is_taken_in_over_http_2() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let client = client();
    let post = || client.post(site.url("/facturas/")).header("idempotency-key", "k").json(&invoices(2)).send();
    let first = post().await.unwrap();
    assert_eq!((first.version(), first.status().as_u16()), (Version::HTTP_2, 202));
    assert_eq!(post().await.unwrap().status(), 409);
}

#[tokio::test]
async fn oversized_requests_are_answered_over_http_2() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let client = client();
    let body = vec![b' '; 9 * 1024 * 1024];
    let large = client.post(site.url("/facturas/")).header("idempotency-key", "k").body(body).send().await.unwrap();
    assert_eq!(large.status(), 413);
    assert!(large.json::<serde_json::Value>().await.unwrap()["detail"].is_string());
    let long = client.get(site.url("/lotes/x")).header("a", "b".repeat(70_000)).send().await.unwrap();
    assert_eq!(long.status(), 431);
    assert!(long.json::<serde_json::Value>().await.unwrap()["detail"].is_string());
}

#[tokio::test]
async fn a_client_is_told_how_much_it_may_send_at_once_and_one_head_beyond_it_is_refused() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let mut stream = connect(&site, &[PREFACE, SETTINGS].concat()).await;
    let told = payload(&mut stream, 4).await.unwrap();
    let setting = |id: u8| told.chunks(6).find(|setting| setting[1] == id).map(|setting| setting[2..].to_vec());
    let (streams, window, head) = (64_u32, 1024 * 1024_u32, 256 * 1024_u32);
    assert_eq!(setting(3), Some(streams.to_be_bytes().to_vec()));
    assert_eq!(setting(4), Some(window.to_be_bytes().to_vec()));
    assert_eq!(setting(6), Some(head.to_be_bytes().to_vec()));

    let client = client();
    let long = client.get(site.url("/lotes/x")).header("a", "b".repeat(300_000)).send().await.unwrap();
    assert_eq!(long.status(), 431);
    assert_eq!(client.get(site.url("/lotes/x")).send().await.unwrap().status(), 404, "the connection goes on");
}

#[tokio::test]
async fn garbage_behind_the_preface_is_told_goodbye() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let mut stream = connect(&site, &[PREFACE, b"GET / HTTP/1.1\r\n\r\n and more of it"].concat()).await;
    assert!(hears(&mut stream, GO_AWAY).await);
}

#[tokio::test]
async fn a_silent_client_is_told_goodbye() {
    let redis = Redis::start().await.unwrap();
    let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
    let site = Site::start_with(&redis.url(), NO_DATABASE, Options { limits, ..options() }).await;
    for bytes in [PREFACE.to_vec(), [PREFACE, SETTINGS].concat()] {
        let mut stream = connect(&site, &bytes).await;
        assert!(hears(&mut stream, GO_AWAY).await);
        let ended = async || {
            let mut rest = Vec::new();
            timeout(SOON, stream.read_to_end(&mut rest)).await.is_ok()
        };
        assert!({ ended }().await, "the connection stays open");
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_whether_it_is_there_is_cut_off() {
    let redis = Redis::start().await.unwrap();
    let limits = Limits { ping: Duration::from_secs(2), ..Limits::default() };
    let site = Site::start_with(&redis.url(), NO_DATABASE, Options { limits, ..options() }).await;
    let mut gone = connect(&site, &[PREFACE, SETTINGS].concat()).await;
    let mut there = connect(&site, &[PREFACE, SETTINGS].concat()).await;
    for _ in 0..2 {
        let asked = payload(&mut there, PING).await.expect("it is asked again and again");
        there.write_all(&[&[0, 0, 8, PING, 1, 0, 0, 0, 0], &*asked].concat()).await.unwrap();
    }
    let mut rest = Vec::new();
    // Whether it ends in order is the same to who is gone.
    let _ = timeout(SOON, gone.read_to_end(&mut rest)).await.expect("the connection stays open");
}

#[tokio::test]
async fn at_the_end_clients_are_told_goodbye_and_the_api_ends() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let client = client();
    assert_eq!(client.get(site.url("/lotes/x")).send().await.unwrap().status(), 404);
    let mut stream = connect(&site, &[PREFACE, SETTINGS].concat()).await;
    assert!(hears(&mut stream, 4).await, "the connection is greeted");
    site.shutdown.cancel();
    assert!(hears(&mut stream, GO_AWAY).await);
    drop(stream);
    let ended = async || if site.task.is_finished() { Ok(()) } else { Err("it still runs") };
    wait::until("the API ends", SOON, ended).await.unwrap();
}
