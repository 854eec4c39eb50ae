//! Redis and PostgreSQL start, die and come back as a test wants them, with what they have confirmed.

use std::{path::Path, process::Command, time::Duration};

use caudal_testkit::{Error, Postgres, Redis, programs, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SOON: Duration = Duration::from_secs(5);

async fn ask(redis: &Redis, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

fn sql(database: &str, statement: &str) -> String {
    let psql = programs::find("psql").unwrap();
    let output = Command::new(psql).args(["-At", "-c", statement, database]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_killed_redis_comes_back_on_its_port_with_its_data() {
    let mut redis = Redis::start().await.unwrap();
    let url = redis.url();
    assert_eq!(ask(&redis, "SET invoice 7").await, "+OK\r\n");
    redis.kill().await.unwrap();
    redis.restart().await.unwrap();
    assert_eq!(redis.url(), url);
    assert_eq!(ask(&redis, "GET invoice").await, "$1\r\n7\r\n");
}

#[tokio::test]
async fn a_paused_redis_answers_once_it_goes_on() {
    let redis = Redis::start().await.unwrap();
    redis.pause().unwrap();
    let early =
        wait::until("an answer", Duration::from_millis(200), async || Ok::<_, String>(ask(&redis, "PING").await));
    assert!(matches!(early.await, Err(Error::TimedOut { .. })));
    redis.resume().unwrap();
    assert_eq!(tokio::time::timeout(SOON, ask(&redis, "PING")).await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn every_caller_has_a_database_that_survives_a_crash() {
    let mut postgres = Postgres::start().await.unwrap();
    let first = postgres.database().await.unwrap();
    let second = postgres.database().await.unwrap();
    sql(&first, "create table invoices as select 7 as number");
    assert_eq!(sql(&second, "select to_regclass('invoices') is null"), "t");
    postgres.crash().await.unwrap();
    postgres.restart().await.unwrap();
    assert_eq!(sql(&first, "select number from invoices"), "7");
}

#[tokio::test]
async fn a_killed_postgresql_comes_back_with_what_it_confirmed() {
    let mut postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    sql(&database, "create table invoices as select 7 as number");
    postgres.kill().await.unwrap();
    postgres.restart().await.unwrap();
    assert_eq!(sql(&database, "select number from invoices"), "7");
}

#[tokio::test]
async fn a_paused_postgresql_answers_once_it_goes_on() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    postgres.pause().unwrap();
    let mut asked = tokio::task::spawn_blocking(move || sql(&database, "select 7"));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut asked).await.is_err());
    postgres.resume().unwrap();
    assert_eq!(tokio::time::timeout(SOON, asked).await.unwrap().unwrap(), "7");
}

#[tokio::test]
async fn a_dropped_server_leaves_no_folder() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let folder = sql(&database, "show unix_socket_directories");
    assert!(Path::new(&folder).exists());
    drop(postgres);
    assert!(!Path::new(&folder).exists());
}
