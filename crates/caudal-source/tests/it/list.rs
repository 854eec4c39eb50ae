//! Lists.

use std::time::Duration;

use caudal_source::{Error, List, Source};
use caudal_testkit::{Redis, wait};

use crate::{assert_wrong_type, client, owned, run};

fn list(keys: &[&str], processing: &[&str]) -> Source {
    Source::List(List { keys: owned(keys), processing_keys: owned(processing) })
}

#[tokio::test]
async fn lists_are_added_up_and_entries_being_processed_are_told_apart() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    run(&client, &["RPUSH", "high", "a", "b"]).await;
    run(&client, &["RPUSH", "low", "c", "d", "e"]).await;
    run(&client, &["LMOVE", "low", "low:processing", "LEFT", "RIGHT"]).await;

    let work = list(&["high", "low"], &["low:processing"]).observe(&client).await.unwrap();
    assert_eq!((work.waiting, work.in_flight, work.busy, work.workers), (4, 1, 1, None));
}

#[tokio::test]
async fn an_entry_that_is_popped_is_seen_where_its_processing_list_is_named() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    run(&client, &["RPUSH", "jobs", "a"]).await;
    run(&client, &["LMOVE", "jobs", "jobs:processing", "LEFT", "RIGHT"]).await;
    assert_eq!(list(&["jobs"], &["jobs:processing"]).observe(&client).await.unwrap().total(), 1);
    assert_eq!(list(&["jobs"], &[]).observe(&client).await.unwrap().total(), 0);
}

#[tokio::test]
async fn a_list_that_does_not_exist_is_empty() {
    let redis = Redis::start().await.unwrap();
    let work = list(&["nothing"], &[]).observe(&client(&redis)).await.unwrap();
    assert_eq!(work.total(), 0);
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_it_and_never_a_number() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    run(&client, &["RPUSH", "jobs", "a"]).await;
    run(&client, &["SET", "text", "-1"]).await;
    run(&client, &["ZADD", "set", "1", "a"]).await;
    assert_wrong_type(&list(&["jobs", "text"], &[]), &client, "the key text is a string, not a list").await;
    assert_wrong_type(&list(&["jobs"], &["set"]), &client, "the key set is a sorted set, not a list").await;
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
    let seen = wait::until("it is seen again", Duration::from_secs(5), async || source.observe(&client).await).await;
    assert_eq!(seen.unwrap().waiting, 1);
}
