//! Redis away, and answers that get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use caudal_testkit::{Redis, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::site::{SOON, Site, header, invoices, queue};

#[tokio::test]
async fn without_redis_a_batch_is_answered_503_and_its_key_is_accepted_once_afterwards() {
    let mut redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    redis.stop().await.unwrap();
    let refused = site.post("k", &invoices(1)).await;
    assert_eq!(refused.status(), 503);
    assert!(header(&refused, "retry-after").unwrap().parse::<u32>().unwrap() > 0);
    let body = refused.text().await.unwrap();
    assert!(!body.contains("edis"), "an outage is not explained to strangers: {body}");

    redis.restart().await.unwrap();
    accepted(&site, "k").await;
    assert_eq!(site.post("k", &invoices(1)).await.status(), 409);
}

#[tokio::test]
async fn a_batch_whose_acknowledgement_got_lost_is_accepted_and_kept_once() {
    let redis = Redis::start().await.unwrap();
    let lossy = Lossy::before(redis.port()).await;
    let site = Site::start(&lossy.url).await;
    assert_eq!(site.post("warm", &invoices(1)).await.status(), 202);

    lossy.lose_next_answer.store(true, Ordering::SeqCst);
    assert_eq!(site.post("k", &invoices(2)).await.status(), 202);
    assert!(!lossy.lose_next_answer.load(Ordering::SeqCst), "no answer was lost");
    assert_eq!(queue(&redis.url()).backlog().await.unwrap().invoices, 3);
    assert_eq!(site.post("k", &invoices(2)).await.status(), 409);
}

#[tokio::test]
async fn while_redis_is_out_of_memory_a_batch_is_answered_429_and_its_key_stays_free() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    limit_memory(&redis, 1).await;
    let refused = site.post("k", &invoices(1)).await;
    assert_eq!(refused.status(), 429);
    assert!(header(&refused, "retry-after").unwrap().parse::<u32>().unwrap() > 0);

    limit_memory(&redis, 0).await;
    accepted(&site, "k").await;
}

#[tokio::test]
async fn while_redis_is_short_of_memory_new_keys_are_answered_429_and_known_ones_409() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    assert_eq!(site.post("known", &invoices(1)).await.status(), 202);
    let used = queue(&redis.url()).memory().await.unwrap().used;
    // A tenth is still free, and not to be had.
    limit_memory(&redis, used * 10 / 9).await;
    let refused = async || match site.post(&Uuid::new_v4().to_string(), &invoices(1)).await {
        answer if answer.status() == 429 => Ok(answer),
        answer => Err(answer.status()),
    };
    let refused = wait::until("a new key is refused", SOON, refused).await.unwrap();
    assert!(header(&refused, "retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(site.post("known", &invoices(1)).await.status(), 409);

    limit_memory(&redis, 0).await;
    accepted(&site, "new").await;
}

/// Repeats a key until it is accepted.
async fn accepted(site: &Site, key: &str) {
    let taken = async || match site.post(key, &invoices(1)).await.status().as_u16() {
        202 => Ok(()),
        status => Err(status),
    };
    wait::until("the key is accepted", SOON, taken).await.unwrap();
}

async fn limit_memory(redis: &Redis, bytes: u64) {
    let mut connection = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    connection.write_all(format!("CONFIG SET maxmemory {bytes}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

/// A way to Redis that can lose an answer, with the connection.
struct Lossy {
    url: String,
    lose_next_answer: Arc<AtomicBool>,
}

impl Lossy {
    async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let lose_next_answer = Arc::new(AtomicBool::new(false));
        let lose = lose_next_answer.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(carry(client, server, lose.clone()));
            }
        });
        Self { url, lose_next_answer }
    }
}

async fn carry(client: TcpStream, server: TcpStream, lose: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = async move {
        let mut answer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut answer).await {
            if lose.swap(false, Ordering::SeqCst) || to_client.write_all(&answer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        _ = copy(&mut from_client, &mut to_server) => {}
    }
}
