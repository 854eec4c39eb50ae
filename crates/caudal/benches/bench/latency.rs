//! How long a lone invoice takes from its POST to its commit.

use std::io;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::PgListener;
use sqlx::{Connection, Executor, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{self, Fsync, invoice, json};
use crate::table::{Aim, Row, p99};
use crate::wire::{Reply, post};

const COUNT: u32 = 1_000;
/// Between two invoices; each is to be alone.
const PAUSE: Duration = Duration::from_millis(5);

/// PostgreSQL tells of every commit that it has made.
const TELL: &str = "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('committed', NEW.number); RETURN NULL; END $$;
    CREATE TRIGGER tell AFTER INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION tell()";

/// One row for each of Redis' ways to write through.
pub(crate) async fn lone() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for fsync in Fsync::ALL {
        let (redis, mut connection) = site::redis(fsync).await?;
        let (_postgres, database) = site::postgres().await?;
        let mut session = PgConnection::connect(&database).await?;
        session.execute(TELL).await?;
        session.execute("CREATE TABLE floor (number bigint)").await?;
        let mut commits = PgListener::connect(&database).await?;
        commits.listen("committed").await?;
        let api = site::role("api", &redis.url(), &database).await?;
        let _worker = site::role("worker", &redis.url(), &database).await?;
        let mut stream = TcpStream::connect(&api.address).await?;
        stream.set_nodelay(true)?;
        let (mut whole, mut redis_alone, mut postgres_alone) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..COUNT {
            let begun = Instant::now();
            send(&mut stream, number).await?;
            commits.recv().await?;
            whole.push(milliseconds(begun));
            tokio::time::sleep(PAUSE).await;

            let begun = Instant::now();
            let mut add = redis::cmd("XADD");
            add.arg(&["floor", "*", "p"]).arg([0_u8; 200].as_slice());
            let _id: String = add.query_async(&mut connection).await?;
            redis_alone.push(milliseconds(begun));

            let begun = Instant::now();
            sqlx::query("INSERT INTO floor VALUES ($1)").bind(i64::from(number)).execute(&mut session).await?;
            postgres_alone.push(milliseconds(begun));
        }
        rows.push(Row {
            name: format!("lone invoice, POST to commit, {}", fsync.name()),
            figure: (p99(whole), "ms, p99"),
            floor: Some((p99(redis_alone) + p99(postgres_alone), "XADD + commit, p99 of each")),
            aim: Aim::Most(5.0),
            costs: Vec::new(),
        });
    }
    Ok(rows)
}

async fn send(stream: &mut TcpStream, number: u32) -> io::Result<()> {
    stream.write_all(&post(&format!("lone-{number}"), &json(&[invoice(number)]))).await?;
    let mut answer = vec![0; 4096];
    let mut length = 0;
    while !Reply::Accepted.is_whole(&answer[..length])? {
        length += stream.read(&mut answer[length..]).await?;
    }
    Ok(())
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
