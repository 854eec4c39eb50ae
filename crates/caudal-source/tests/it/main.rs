//! Sources against a real Redis.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use caudal_redis::{Client, Options};
use caudal_source::{Error, List, Source, Work};
use caudal_testkit::Redis;
use redis::cmd;

fn client(redis: &Redis) -> Client {
    Client::new(&Options { redis_url: redis.url().into() }).unwrap()
}

fn list(keys: &[&str], processing: &[&str]) -> Source {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Source::List(List { keys: owned(keys), processing: owned(processing) })
}

async fn run(client: &Client, words: &[&str]) {
    let (name, arguments) = words.split_first().unwrap();
    let () = cmd(name).arg(arguments).query_async(&mut client.shared()).await.unwrap();
}

#[tokio::test]
async fn lists_are_added_up_and_entries_being_processed_are_told_apart() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    run(&client, &["RPUSH", "high", "a", "b"]).await;
    run(&client, &["RPUSH", "low", "c", "d", "e"]).await;
    run(&client, &["LMOVE", "low", "low:processing", "LEFT", "RIGHT"]).await;

    let source = list(&["high", "low"], &["low:processing"]);
    assert_eq!(source.observe(&client).await.unwrap(), Work { waiting: 4, in_flight: 1 });
}

#[tokio::test]
async fn a_list_that_does_not_exist_is_empty() {
    let redis = Redis::start().await.unwrap();
    let work = list(&["nothing"], &[]).observe(&client(&redis)).await.unwrap();
    assert_eq!(work.total(), 0);
}

#[tokio::test]
async fn a_key_of_another_kind_is_an_error_and_never_a_number() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    run(&client, &["RPUSH", "jobs", "a"]).await;
    run(&client, &["SET", "text", "1"]).await;
    let error = list(&["jobs", "text"], &[]).observe(&client).await.unwrap_err();
    assert!(matches!(error, Error::Misconfigured(_)), "{error:?}");
}

#[tokio::test]
async fn a_redis_that_is_away_frozen_or_loading_is_unavailable_and_seen_again_when_it_is_back() {
    let mut redis = Redis::start().await.unwrap();
    let client = client(&redis);
    let source = list(&["jobs"], &[]);
    run(&client, &["RPUSH", "jobs", "a"]).await;

    redis.pause().unwrap();
    assert!(matches!(source.observe(&client).await, Err(Error::Unavailable(_))));
    redis.resume().unwrap();
    assert_eq!(source.observe(&client).await.unwrap().waiting, 1);

    redis.kill().await.unwrap();
    assert!(matches!(source.observe(&client).await, Err(Error::Unavailable(_))));
    redis.restart().await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(2);
    let work = loop {
        match source.observe(&client).await {
            Ok(work) => break work,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error:?}"),
        }
    };
    assert_eq!(work.waiting, 1);
}
