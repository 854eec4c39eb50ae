//! Streams. Each of KEDA's cases in which it was measured wrong is one here, and right.

use std::time::Duration;

use caudal_redis::Client;
use caudal_source::{Source, Stream, Work};
use caudal_testkit::{Redis, wait};

use crate::{ask, assert_wrong_type, client, owned, run};

/// A Redis with a stream `s` and the ids of its entries.
struct Filled {
    redis: Redis,
    client: Client,
    ids: Vec<String>,
}

impl Filled {
    async fn with(entries: usize) -> Self {
        let redis = Redis::start().await.unwrap();
        let client = client(&redis);
        let mut filled = Self { redis, client, ids: Vec::new() };
        filled.add(entries).await;
        filled
    }

    async fn add(&mut self, entries: usize) {
        for _ in 0..entries {
            self.ids.push(ask(&self.client, &["XADD", "s", "*", "job", "1"]).await);
        }
    }

    async fn run(&self, words: &[&str]) {
        run(&self.client, words).await;
    }

    /// Makes the group `g`, which begins after this id.
    async fn group(&self, id: &str) {
        self.run(&["XGROUP", "CREATE", "s", "g", id]).await;
    }

    /// Delivers so many entries to a consumer.
    async fn deliver(&self, consumer: &str, count: usize) {
        self.run(&["XREADGROUP", "GROUP", "g", consumer, "COUNT", &count.to_string(), "STREAMS", "s", ">"]).await;
    }

    async fn look(&self) -> Work {
        stream("s").observe(&self.client).await.unwrap()
    }

    async fn waiting(&self) -> u64 {
        self.look().await.waiting
    }

    /// What Redis itself says waits.
    async fn lag(&self) -> Option<i64> {
        let groups: Vec<std::collections::HashMap<String, redis::Value>> =
            ask(&self.client, &["XINFO", "GROUPS", "s"]).await;
        redis::from_redis_value(groups[0]["lag"].clone()).unwrap()
    }
}

fn stream(key: &str) -> Source {
    Source::Stream(Stream { key: key.to_owned(), group: "g".to_owned() })
}

#[tokio::test]
async fn entries_that_wait_and_entries_that_are_pending_count_and_so_do_consumers_at_work() {
    let filled = Filled::with(10).await;
    filled.group("0").await;
    filled.deliver("pod-a/1", 2).await;
    filled.deliver("pod-b", 1).await;
    filled.run(&["XACK", "s", "g", &filled.ids[2]]).await;
    let work = filled.look().await;
    assert_eq!((work.waiting, work.in_flight, work.busy, work.arrived), (7, 2, 1, Some(10)));
    assert_eq!(work.workers.unwrap().into_iter().collect::<Vec<_>>(), owned(&["pod-a/1"]));
}

#[tokio::test]
async fn what_is_delivered_and_not_acknowledged_is_in_flight() {
    let filled = Filled::with(10).await;
    filled.group("0").await;
    filled.deliver("gone", 10).await;
    assert_eq!(filled.lag().await, Some(0));
    let work = filled.look().await;
    assert_eq!((work.waiting, work.in_flight, work.total()), (0, 10, 10));
    filled.run(&[&["XACK", "s", "g"], &*filled.ids.iter().map(String::as_str).collect::<Vec<_>>()].concat()).await;
    assert_eq!(filled.look().await.total(), 0, "entries that are acknowledged stay in the stream, and count no more");
}

#[tokio::test]
async fn deleted_entries_that_nobody_has_read_leave_the_rest_waiting() {
    let filled = Filled::with(10).await;
    filled.group("0").await;
    filled.run(&["XDEL", "s", &filled.ids[4]]).await;
    assert_eq!(filled.lag().await, None);
    assert_eq!(filled.waiting().await, 9);

    filled.deliver("c", 1).await;
    filled.run(&["XACK", "s", "g", &filled.ids[0]]).await;
    assert_eq!(filled.lag().await, None);
    assert_eq!(filled.waiting().await, 8, "counted, with an entry before them that is done");

    filled.run(&["XTRIM", "s", "MAXLEN", "6"]).await;
    assert_eq!(filled.waiting().await, 6);
}

#[tokio::test]
async fn a_trimmed_stream_has_what_is_left_whatever_its_lag_says() {
    let filled = Filled::with(10).await;
    filled.group("0").await;
    filled.deliver("c", 1).await;
    filled.run(&["XACK", "s", "g", &filled.ids[0]]).await;
    filled.run(&["XTRIM", "s", "MAXLEN", "6"]).await;
    assert_eq!(filled.waiting().await, 6);
    filled.run(&["XTRIM", "s", "MAXLEN", "0"]).await;
    assert_eq!(filled.look().await.total(), 0);
}

#[tokio::test]
async fn a_group_made_at_the_end_or_in_the_middle_has_what_comes_after() {
    let mut filled = Filled::with(20).await;
    filled.group("$").await;
    filled.add(10).await;
    assert_eq!(filled.lag().await, None);
    assert_eq!(filled.waiting().await, 10);

    filled.run(&["XGROUP", "DESTROY", "s", "g"]).await;
    filled.group(&filled.ids[23]).await;
    assert_eq!(filled.lag().await, None);
    assert_eq!(filled.waiting().await, 6);
}

#[tokio::test]
async fn a_group_that_was_told_it_has_read_more_than_it_has_still_has_what_waits() {
    let filled = Filled::with(10).await;
    filled.run(&["XGROUP", "CREATE", "s", "g", &filled.ids[2], "ENTRIESREAD", "10"]).await;
    assert_eq!(filled.lag().await, Some(0));
    assert_eq!(filled.waiting().await, 7);
    filled.run(&["XGROUP", "SETID", "s", "g", &filled.ids[2], "ENTRIESREAD", "50"]).await;
    assert_eq!(filled.lag().await, Some(-40));
    assert_eq!(filled.waiting().await, 7);
}

#[tokio::test]
async fn of_very_many_entries_that_must_be_counted_at_least_ten_thousand_wait() {
    let filled = Filled::with(2).await;
    let fill = "for i = 1, 10300 do redis.call('XADD', KEYS[1], '*', 'job', '1') end";
    filled.run(&["EVAL", fill, "1", "s"]).await;
    filled.group(&filled.ids[1]).await;
    assert_eq!(filled.lag().await, None);
    let work = filled.look().await;
    assert_eq!((work.waiting, work.arrived), (10_000, None));
}

#[tokio::test]
async fn a_missing_group_asks_for_one_worker_and_says_so() {
    let filled = Filled::with(60).await;
    let work = filled.look().await;
    assert_eq!(work.total(), 1);
    assert_eq!(
        work.note.unwrap(),
        "the stream s has no group g, so what waits is not known: one worker is asked for, which is to make the group"
    );
    filled.group("0").await;
    let work = filled.look().await;
    assert_eq!((work.total(), work.note), (60, None));
}

#[tokio::test]
async fn a_stream_that_is_missing_or_empty_holds_nothing() {
    let filled = Filled::with(3).await;
    assert_eq!(stream("nothing").observe(&filled.client).await.unwrap(), Work::default());
    filled.run(&["XTRIM", "s", "MAXLEN", "0"]).await;
    assert_eq!(filled.look().await, Work::default(), "without a group nothing is to be said of an empty stream either");
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_it() {
    let filled = Filled::with(0).await;
    filled.run(&["RPUSH", "s", "a"]).await;
    assert_wrong_type(&stream("s"), &filled.client, "the key s is a list, not a stream").await;
}

#[tokio::test]
async fn a_redis_that_forgot_the_scripts_is_sent_them_again() {
    let mut filled = Filled::with(4).await;
    filled.group("$").await;
    filled.add(2).await;
    assert_eq!(filled.waiting().await, 2);
    filled.redis.restart().await.unwrap();
    let again = async || stream("s").observe(&filled.client).await;
    let seen = wait::until("it is seen again", Duration::from_secs(5), again).await;
    assert_eq!(seen.unwrap().waiting, 2);
}
