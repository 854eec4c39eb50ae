//! Clients by bytes: slow, half-open, oversized, and none at all of HTTP.

use std::time::Duration;

use caudal_api::{Limits, Options};
use caudal_testkit::Redis;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::site::{NO_DATABASE, SOON, Site, options};

pub(crate) const POST: &str = "POST /facturas/ HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\n";

/// A client is slow after this time.
const SHORT: Duration = Duration::from_millis(300);

fn hasty() -> Options {
    let limits = Limits { head: SHORT, body: SHORT, idle: SHORT, linger: Duration::from_secs(2), ..Limits::default() };
    Options { limits, ..options() }
}

async fn site(redis: &Redis, options: Options) -> Site {
    Site::start_with(&redis.url(), NO_DATABASE, options).await
}

/// A client that says bytes.
pub(crate) struct Raw(pub(crate) TcpStream);

/// An answer, read from its bytes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Raw {
    pub(crate) async fn to(site: &Site) -> Self {
        Self(TcpStream::connect(site.address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn end(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(SOON, self.0.read_u8()).await.unwrap();
            head.push(byte.unwrap_or_else(|error| panic!("the connection was closed silently: {error}")));
        }
        let head = String::from_utf8(head).unwrap();
        let status = head[9..12].parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        Answer { status, head, body: String::from_utf8(body).unwrap() }
    }

    /// What comes until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        timeout(SOON, self.0.read_to_end(&mut rest)).await.unwrap().unwrap();
        rest
    }

    /// The next answer is of the wire, has this status, and is the last.
    pub(crate) async fn last_answer(&mut self, status: u16) -> Answer {
        let answer = self.answer().await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.head.contains("content-type: application/json\r\n"), "{answer:?}");
        assert!(answer.head.contains("connection: close\r\n"), "{answer:?}");
        assert!(serde_json::from_str::<Value>(&answer.body).unwrap()["detail"].is_string(), "{answer:?}");
        assert_eq!(self.rest().await, b"");
        answer
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_are_answered() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, options()).await;
    let long = "a".repeat(70_000);
    let cases: &[(&[u8], u16)] = &[
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\na\0b: c\r\n\r\n", 400),
        (b"GET /\xff\x01 HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.2\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nno", 505),
        (b"POST /facturas/ HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /facturas/ HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /facturas/ HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        (&format!("GET / HTTP/1.1\r\na: {long}\r\n\r\n").into_bytes(), 431),
        (&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)).into_bytes(), 431),
        (&format!("GET /{long} HTTP/1.1\r\n\r\n").into_bytes(), 414),
        (&format!("GET /{}", "a".repeat(2_000_000)).into_bytes(), 414),
    ];
    for (bytes, status) in cases {
        let mut client = Raw::to(&site).await;
        client.send(bytes).await;
        println!("{}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
        client.last_answer(*status).await;
    }
}

#[tokio::test]
async fn a_bad_request_behind_a_good_one_is_answered_too() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, options()).await;
    let mut client = Raw::to(&site).await;
    client.send("GET /lotes/x HTTP/1.1\r\nhost: x\r\n\r\nGET /lotes/x HTTP/1.1\r\nhost: x\r\n\r\nno\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 404);
    assert_eq!(client.answer().await.status, 404);
    client.last_answer(400).await;
}

#[tokio::test]
async fn a_client_that_ends_its_side_is_still_answered() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, options()).await;
    let cases = [
        ("GET /lotes/x HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 404),
        (format!("{POST}content-length: 2\r\n\r\n[]"), 202),
        ("G".to_owned(), 400),
        ("\r\n".to_owned(), 400),
        ("PRI * HT".to_owned(), 400),
        ("GET /lotes/x HTTP/1.1\r\nhost".to_owned(), 400),
        (format!("{POST}content-length: 20\r\n\r\n[]"), 400),
        (format!("{POST}transfer-encoding: chunked\r\n\r\n2\r\n["), 400),
        (format!("{POST}transfer-encoding: chunked\r\n\r\nxx\r\n"), 400),
    ];
    for (bytes, status) in cases {
        let mut client = Raw::to(&site).await;
        client.send(&bytes).await;
        client.end().await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{bytes:?} {answer:?}");
        assert_eq!(client.rest().await, b"");
    }
    let mut silent = Raw::to(&site).await;
    silent.end().await;
    assert_eq!(silent.rest().await, b"", "who asks nothing hears nothing");
    let mut polite = Raw::to(&site).await;
    polite.send("GET /lotes/x HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(polite.answer().await.status, 404);
    polite.send("\r\n").await;
    polite.end().await;
    assert_eq!(polite.rest().await, b"", "an empty line behind a request asks nothing");
}

#[tokio::test]
async fn slow_clients_are_cut_off_with_an_answer() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, hasty()).await;
    for beginning in ["G", "PRI * HTTP", "GET / HTTP/1.1\r\nhost: x\r\n", "\r\n"] {
        let mut client = Raw::to(&site).await;
        client.send(beginning).await;
        client.last_answer(408).await;
    }
    for beginning in ["content-length: 20\r\n\r\n[", "transfer-encoding: chunked\r\n\r\n1\r\n[\r\n"] {
        let mut client = Raw::to(&site).await;
        client.send(format!("{POST}{beginning}")).await;
        client.last_answer(408).await;
    }
}

#[tokio::test]
async fn drops_of_bytes_do_not_prolong_a_request() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, hasty()).await;
    let mut client = Raw::to(&site).await;
    client.send("GET / HTTP/1.1\r\na: ").await;
    let (mut answers, mut drops) = client.0.into_split();
    let dripping = async {
        while drops.write_all(b"a").await.is_ok() {
            sleep(SHORT / 10).await;
        }
    };
    let mut head = [0; 12];
    let answered = timeout(20 * SHORT, answers.read_exact(&mut head));
    tokio::select! {
        () = dripping => panic!("closed before it was answered"),
        answered = answered => { answered.expect("the request goes on").unwrap(); }
    }
    assert_eq!(&head, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_one_that_asks_again_is_kept() {
    let redis = Redis::start().await.unwrap();
    let idle = Duration::from_secs(2);
    let limits = Limits { idle, ..Limits::default() };
    let site = site(&redis, Options { limits, ..options() }).await;
    let (mut silent, mut client) = (Raw::to(&site).await, Raw::to(&site).await);
    for _ in 0..4 {
        client.send("GET /lotes/x HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 404);
        sleep(idle / 2).await;
    }
    assert_eq!(silent.rest().await, b"");
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn oversized_bodies_are_answered_while_they_are_still_coming() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, options()).await;
    let (declared, most) = (20 * 1024 * 1024, 8 * 1024 * 1024);
    let mut client = Raw::to(&site).await;
    client.send(format!("{POST}expect: 100-continue\r\ncontent-length: {declared}\r\n\r\n")).await;
    client.last_answer(413).await;

    let mut client = Raw::to(&site).await;
    client.send(format!("{POST}content-length: {declared}\r\n\r\n")).await;
    client.send(vec![b' '; declared]).await;
    client.last_answer(413).await;

    let mut client = Raw::to(&site).await;
    client.send(format!("{POST}transfer-encoding: chunked\r\n\r\n{:x}\r\n", most + 1)).await;
    client.send(vec![b' '; most + 1]).await;
    client.last_answer(413).await;
}

#[tokio::test]
async fn who_asks_whether_to_go_on_is_told_so() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, options()).await;
    let mut client = Raw::to(&site).await;
    client.send(format!("{POST}expect: 100-continue\r\ncontent-length: 2\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 100);
    client.send("[]").await;
    assert_eq!(client.answer().await.status, 202);
}

#[tokio::test]
async fn beyond_the_limit_connections_wait_and_are_not_closed() {
    let redis = Redis::start().await.unwrap();
    let limits = Limits { connections: 2, ..Limits::default() };
    let site = site(&redis, Options { limits, ..options() }).await;
    let (mut first, _second) = (Raw::to(&site).await, Raw::to(&site).await);
    let mut third = Raw::to(&site).await;
    third.send("GET /lotes/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(timeout(SHORT, third.0.readable()).await.is_err(), "it waits");
    first.end().await;
    drop(first);
    third.last_answer(404).await;
}

#[tokio::test]
async fn odd_requests_are_answered_like_all_others() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, options()).await;
    for (line, status) in [
        ("OPTIONS * HTTP/1.1", 404),
        ("CONNECT a.cl:443 HTTP/1.1", 404),
        ("GET http://a.cl/lotes/x HTTP/1.1", 404),
        ("BREW /facturas/ HTTP/1.1", 405),
        ("GET /facturas/ HTTP/1.0", 405),
        ("GET /%2e%2e/%00%ff?%zz HTTP/1.1", 404),
        ("GET //facturas/ HTTP/1.1", 404),
    ] {
        let mut client = Raw::to(&site).await;
        client.send(format!("{line}\r\nhost: x\r\nconnection: close\r\nupgrade: websocket\r\n\r\n")).await;
        client.end().await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{line} {answer:?}");
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn a_request_has_one_host_and_an_ascii_target() {
    let redis = Redis::start().await.unwrap();
    let site = site(&redis, options()).await;
    for (request, status) in [
        ("GET /lotes/x HTTP/1.1\r\n", 400),
        ("GET http://a.cl/lotes/x HTTP/1.1\r\n", 400),
        ("GET /lotes/x HTTP/1.1\r\nhost: x\r\nhost: x\r\n", 400),
        ("GET /lotes/x HTTP/1.0\r\nhost: x\r\nhost: y\r\n", 400),
        ("POST /facturas/ HTTP/1.1\r\ncontent-length: 2\r\n", 400),
        ("GET /lotes/\u{e9} HTTP/1.1\r\nhost: x\r\n", 400),
        ("GET /lotes/x?\u{e9} HTTP/1.1\r\nhost: x\r\n", 400),
        ("GET /lotes/x HTTP/1.0\r\n", 404),
        ("GET /lotes/x HTTP/1.1\r\nhost:\r\n", 404),
    ] {
        let mut client = Raw::to(&site).await;
        client.send(format!("{request}connection: close\r\n\r\n[]")).await;
        assert_eq!(client.answer().await.status, status, "{request:?}");
        assert_eq!(client.rest().await, b"", "{request:?}");
    }
}
