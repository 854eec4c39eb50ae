//! Sources against a real Redis and a real Celery.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod celery;
mod list;
mod sorted_set;
mod stream;

use caudal_redis::{Client, Options};
use caudal_source::{Error, Source};
use caudal_testkit::Redis;
use redis::{FromRedisValue, cmd};

fn client(redis: &Redis) -> Client {
    Client::new(&Options { redis_url: redis.url().into() }).unwrap()
}

async fn run(client: &Client, words: &[&str]) {
    let () = ask(client, words).await;
}

async fn ask<T: FromRedisValue>(client: &Client, words: &[&str]) -> T {
    let (name, arguments) = words.split_first().unwrap();
    cmd(name).arg(arguments).query_async(&mut client.shared()).await.unwrap()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Expects the error that names the key, what it holds and what it should hold.
async fn assert_wrong_type(source: &Source, client: &Client, text: &str) {
    let error = source.observe(client).await.unwrap_err();
    assert!(matches!(error, Error::WrongType { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("{text}: name another key, or remove this one"));
}
