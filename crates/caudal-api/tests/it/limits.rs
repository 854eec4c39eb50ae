//! Limits to what clients may take together, and to how long they may keep the API from its end.

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use axum::body::Bytes;
use caudal_api::{Limits, Options};
use caudal_testkit::Redis;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::{Body, Client};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::raw::{Answer, POST, Raw};
use crate::site::{NO_DATABASE, SOON, Site, options};

const SHORT: Duration = Duration::from_millis(300);
const GET: &str = "GET /lotes/x HTTP/1.1\r\nhost: x\r\n\r\n";

async fn site(redis: &Redis, limits: Limits) -> Site {
    Site::start_with(&redis.url(), NO_DATABASE, Options { limits, ..options() }).await
}

/// An empty batch in a body of so many bytes.
fn empty_batch(length: usize) -> Vec<u8> {
    [vec![b' '; length - 2], b"[]".to_vec()].concat()
}

#[tokio::test]
async fn a_body_that_finds_no_room_is_answered_503_and_finds_it_once_others_are_answered() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, Limits { body_bytes: 1024 * 1024, ..Limits::default() }).await;
    let (held, large) = (300_000, 600_000);
    let mut holding = Raw::to(&site).await;
    holding.send(format!("{POST}content-length: {}\r\n\r\n", held + 2)).await;
    holding.send(vec![b' '; held]).await;

    let crowded = async || {
        let mut late = Raw::to(&site).await;
        late.send(format!("{POST}content-length: {large}\r\n\r\n")).await;
        late.send(empty_batch(large)).await;
        late.answer().await
    };
    let answer = caudal_testkit::wait::until("there is no room", SOON, async || match crowded().await {
        answer if answer.status == 503 => Ok(answer),
        answer => Err(answer.status),
    });
    let answer = answer.await.unwrap();
    assert!(answer.head.contains("retry-after: 2\r\n") && answer.head.contains("connection: close\r\n"), "{answer:?}");
    let mut small = Raw::to(&site).await;
    small.send(format!("{POST}content-length: 2\r\n\r\n[]")).await;
    assert_ne!(small.answer().await.status, 503, "a few large bodies do not turn small ones away");

    holding.send("[]").await;
    assert_eq!(holding.answer().await.status, 409);
    assert_eq!(crowded().await.status, 409);
}

/// Asks for an answer of more than 8 MB, four times what is sent: each field that is missing is answered with all of it. More
/// than the system keeps for a client that does not read.
fn large_complaint() -> Vec<u8> {
    let wrong = format!("[{{\"a\":\"{}\"}}]", "a".repeat(2_000_000));
    format!("{POST}content-length: {}\r\n\r\n{wrong}", wrong.len()).into_bytes()
}

/// Room for one large complaint.
fn narrow() -> Limits {
    Limits { body_bytes: 16 * 1024 * 1024, linger: SHORT, ..Limits::default() }
}

/// Asks for a large complaint until the answer has this status.
async fn complains(site: &Site, status: u16) -> Answer {
    let asked = async || {
        let mut other = Raw::to(site).await;
        other.send(large_complaint()).await;
        match other.answer().await {
            answer if answer.status == status => Ok(answer),
            answer => Err(answer.status),
        }
    };
    caudal_testkit::wait::until("the answer has this status", SOON, asked).await.unwrap()
}

/// A client that has room for few bytes, and asked for a large complaint.
async fn slow_client(site: &Site) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = Raw(socket.connect(site.address).await.unwrap());
    client.send(large_complaint()).await;
    assert_eq!(client.0.peek(&mut [0]).await.unwrap(), 1, "the answer has begun");
    client
}

#[tokio::test]
async fn an_answer_keeps_its_room_until_it_is_read_and_others_hear_503() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, narrow()).await;
    let mut slow = slow_client(&site).await;
    let crowded = complains(&site, 503).await;
    assert!(crowded.head.contains("retry-after: 2\r\n"), "{crowded:?}");
    let mut small = Raw::to(&site).await;
    small.send(format!("{POST}content-length: 2\r\n\r\n{{}}")).await;
    assert_eq!(small.answer().await.status, 422, "a large answer does not turn small ones away");

    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.body.len() > 8_000_000), (422, true));
    assert_eq!(complains(&site, 422).await.body, answer.body);
}

#[tokio::test]
async fn an_answer_larger_than_the_room_is_503_however_small_its_body() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, Limits { body_bytes: 4 * 1024 * 1024, ..Limits::default() }).await;
    let wrong = format!("[{}{{}}]", "{},".repeat(9_999));
    let mut client = Raw::to(&site).await;
    client.send(format!("{POST}content-length: {}\r\n\r\n{wrong}", wrong.len())).await;
    client.last_answer(503).await;
}

#[tokio::test]
async fn a_client_that_reads_its_answer_drop_by_drop_is_cut_off() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, Limits { answer: 3 * SHORT, write: 10 * SOON, ..narrow() }).await;
    let mut slow = slow_client(&site).await;
    let trickling = async {
        while let Ok(1..) = slow.0.read(&mut [0; 100]).await {
            sleep(SHORT / 30).await;
        }
    };
    timeout(SOON, trickling).await.expect("it may read for ever");
    complains(&site, 422).await;
}

#[tokio::test]
async fn a_client_of_http2_that_does_not_read_its_answer_loses_it() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, Limits { body: 3 * SHORT, answer: SHORT, ..narrow() }).await;
    let http2 = Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let body = large_complaint().split_off(POST.len());
    let body = body[body.iter().position(|byte| *byte == b'[').unwrap()..].to_owned();
    let unread = http2.post(site.url("/facturas/")).body(body).send().await.unwrap();
    assert_eq!(unread.status(), 422);
    complains(&site, 422).await;
    assert!(unread.bytes().await.is_err(), "it is whole");
    assert_eq!(http2.get(site.url("/lotes/x")).send().await.unwrap().status(), 404, "its connection goes on");
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_cut_off() {
    let redis = Redis::start().await.unwrap();
    let limits = Limits { connections: 1, write: SHORT, linger: SHORT, ..Limits::default() };
    let site = site(&redis, limits).await;
    let pings: Vec<u8> = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(1000);
    let greeting = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    // Each field that is missing is answered with all that was sent.
    let wrong = format!("[{{\"{}\":0}}]", "a".repeat(4000));
    let wrong = format!("{POST}content-length: {}\r\n\r\n{wrong}", wrong.len());
    for (greeting, asking) in [(Vec::new(), wrong.into_bytes()), (greeting, pings)] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut deaf = socket.connect(site.address).await.unwrap();
        deaf.write_all(&greeting).await.unwrap();
        let asking = async { while deaf.write_all(&asking).await.is_ok() {} };
        timeout(SOON, asking).await.expect("it may ask for ever");
        let mut next = Raw::to(&site).await;
        next.send(GET).await;
        assert_eq!(next.answer().await.status, 404, "its place is free");
    }
}

#[tokio::test]
async fn at_the_end_clients_that_ask_nothing_are_let_go_at_once() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, Limits { grace: 10 * SOON, linger: SHORT, ..Limits::default() }).await;
    let (mut silent, mut served) = (Raw::to(&site).await, Raw::to(&site).await);
    served.send(GET).await;
    assert_eq!(served.answer().await.status, 404);
    site.shutdown.cancel();
    for client in [&mut silent, &mut served] {
        assert_eq!(client.rest().await, b"");
    }
    timeout(SOON, site.task).await.expect("the API ends").unwrap().unwrap();
}

#[tokio::test]
async fn at_the_end_requests_that_do_not_end_in_time_are_answered_503() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, Limits { grace: SHORT, linger: SHORT, ..Limits::default() }).await;
    let (mut head, mut body) = (Raw::to(&site).await, Raw::to(&site).await);
    head.send("GET /lotes/x HTTP/1.1\r\n").await;
    body.send(format!("{POST}expect: 100-continue\r\ncontent-length: 2\r\n\r\n")).await;
    assert_eq!(body.answer().await.status, 100);
    let http2 = Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    assert_eq!(http2.get(site.url("/lotes/x")).send().await.unwrap().status(), 404);
    let shutdown = site.shutdown.clone();
    // The body is asked for once the head is sent, and never comes.
    let endless = stream::poll_fn(move |_| -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        shutdown.cancel();
        Poll::Pending
    });
    let posting = http2.post(site.url("/facturas/")).body(Body::wrap(StreamBody::new(endless))).send();
    let answer = timeout(SOON, posting).await.expect("it is answered").unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.json::<Value>().await.unwrap()["detail"].is_string());
    for client in [&mut head, &mut body] {
        let answer = client.last_answer(503).await;
        assert!(answer.head.contains("retry-after: 2\r\n"), "{answer:?}");
    }
    timeout(SOON, site.task).await.expect("the API ends").unwrap().unwrap();
}
