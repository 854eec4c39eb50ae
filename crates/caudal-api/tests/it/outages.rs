//! Redis away, and answers that get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use caudal_api::Options;
use caudal_testkit::{Redis, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::site::{NO_DATABASE, SOON, Site, header, invoices, options, queue};

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
async fn a_full_queue_does_not_deny_a_batch_whose_first_command_is_still_on_its_way() {
    let redis = Redis::start().await.unwrap();
    let lossy = Lossy::before(redis.port()).await;
    let narrow = Site::start_with(&lossy.url, NO_DATABASE, Options { max_backlog: 1, ..options() }).await;
    assert_eq!(narrow.post("first", &invoices(1)).await.status(), 202);

    lossy.delay_next_batch.store(true, Ordering::SeqCst);
    assert_eq!(narrow.post("k", &invoices(1)).await.status(), 503);
    assert_eq!(narrow.post("other", &invoices(1)).await.status(), 429, "nothing of this one is on its way");

    order(&redis, "SET caudal:{facturas}:backlog 0").await;
    lossy.arrive.notify_one();
    let kept = async || match narrow.post("k", &invoices(1)).await.status().as_u16() {
        409 => Ok(()),
        status => Err(status),
    };
    wait::until("the first command arrives", SOON, kept).await.unwrap();
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
    order(redis, &format!("CONFIG SET maxmemory {bytes}")).await;
}

async fn order(redis: &Redis, command: &str) {
    let mut connection = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    connection.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

/// A way to Redis that can lose an answer, or keep a batch on its way, with the connection.
#[derive(Clone)]
struct Lossy {
    url: String,
    lose_next_answer: Arc<AtomicBool>,
    delay_next_batch: Arc<AtomicBool>,
    /// Lets the batch that is on its way arrive.
    arrive: Arc<Notify>,
}

impl Lossy {
    async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let lossy =
            Self { url, lose_next_answer: Arc::default(), delay_next_batch: Arc::default(), arrive: Arc::default() };
        let way = lossy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(way.clone().carry(client, server));
            }
        });
        lossy
    }

    async fn carry(self, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let answers = async {
            let mut answer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from_server.read(&mut answer).await {
                let is_lost = self.lose_next_answer.swap(false, Ordering::SeqCst);
                if is_lost || to_client.write_all(&answer[..length]).await.is_err() {
                    return None;
                }
            }
            None
        };
        let commands = async {
            let mut command = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from_client.read(&mut command).await {
                let command = &command[..length];
                let is_batch = command.windows(7).any(|word| word == b"EVALSHA");
                if is_batch && self.delay_next_batch.swap(false, Ordering::SeqCst) {
                    return Some(command.to_owned());
                }
                to_server.write_all(command).await.ok()?;
            }
            None
        };
        let delayed = tokio::select! {
            none = answers => none,
            delayed = commands => delayed,
        };
        drop((from_client, to_client));
        if let Some(command) = delayed {
            self.arrive.notified().await;
            to_server.write_all(&command).await.unwrap();
            // Redis answers to nobody.
            drop(from_server.read(&mut [0; 64]).await);
        }
    }
}
