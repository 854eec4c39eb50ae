//! Redis and PostgreSQL start, die and come back as a test wants them.

use caudal_testkit::{Postgres, Redis};

#[tokio::test]
async fn redis_answers_and_comes_back_on_its_port() {
    let mut redis = Redis::start().await.unwrap();
    let url = redis.url();
    redis.kill().await.unwrap();
    redis.restart().await.unwrap();
    assert_eq!(redis.url(), url);
}

#[tokio::test]
async fn postgres_gives_every_caller_a_database_and_survives_a_crash() {
    let mut postgres = Postgres::start().await.unwrap();
    let first = postgres.database().await.unwrap();
    let second = postgres.database().await.unwrap();
    assert_ne!(first, second);
    postgres.crash().await.unwrap();
    postgres.restart().await.unwrap();
    postgres.database().await.unwrap();
}
