//! Sorted sets.

use caudal_redis::Client;
use caudal_source::{DueBy, SortedSet, Source};
use caudal_testkit::Redis;
use chrono::DateTime;

use crate::{ask, assert_wrong_type, client, run};

fn set(due_by: Option<DueBy>) -> Source {
    Source::SortedSet(SortedSet { key: "retry".to_owned(), due_by })
}

async fn add(client: &Client, score: &str, member: &str) {
    run(client, &["ZADD", "retry", score, member]).await;
}

/// The time of Redis, in seconds.
async fn now(client: &Client) -> i64 {
    ask::<(i64, i64)>(client, &["TIME"]).await.0
}

#[tokio::test]
async fn all_members_count_where_scores_are_no_times() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    assert_eq!(set(None).observe(&client).await.unwrap().total(), 0);
    for (score, member) in [("-5", "a"), ("inf", "b"), ("1e300", "c")] {
        add(&client, score, member).await;
    }
    let work = set(None).observe(&client).await.unwrap();
    assert_eq!((work.waiting, work.next_due), (3, None));
}

#[tokio::test]
async fn members_wait_once_their_time_has_come_and_the_next_is_told() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    let now = now(&client).await;
    for (unit, factor) in [(DueBy::UnixSeconds, 1), (DueBy::UnixMilliseconds, 1_000)] {
        run(&client, &["DEL", "retry"]).await;
        for (seconds, member) in [(now - 3_600, "past"), (now, "now"), (now + 7_200, "later"), (now + 3_600, "next")] {
            add(&client, &(seconds * factor).to_string(), member).await;
        }
        let work = set(Some(unit)).observe(&client).await.unwrap();
        assert_eq!((work.waiting, work.next_due), (2, DateTime::from_timestamp(now + 3_600, 0)), "{unit:?}");
    }
}

#[tokio::test]
async fn scores_that_are_no_sensible_times_are_past_or_never() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    for (score, member) in [("-inf", "a"), ("-1e300", "b"), ("-7", "c"), ("0", "d")] {
        add(&client, score, member).await;
    }
    for later in ["inf", "1e300", "9007199254740993000"] {
        add(&client, later, "later").await;
        let work = set(Some(DueBy::UnixSeconds)).observe(&client).await.unwrap();
        assert_eq!((work.waiting, work.next_due), (4, None), "{later}");
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_it() {
    let redis = Redis::start().await.unwrap();
    let client = client(&redis);
    run(&client, &["SET", "retry", "99999999999999999999"]).await;
    for due_by in [None, Some(DueBy::UnixSeconds)] {
        assert_wrong_type(&set(due_by), &client, "the key retry is a string, not a sorted set").await;
    }
}
