//! A `PgBouncer` in transaction mode stands between: each transaction may meet another of the server's sessions.

use caudal_ledger::Entry;
use caudal_testkit::{PgBouncer, Postgres};
use sqlx::Row;
use tokio::task::JoinSet;

use crate::world::{World, entry};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pgbouncer_in_transaction_mode_everything_works_and_no_setting_leaks() {
    let postgres = Postgres::start().await.unwrap();
    let world = World::on(&postgres).await;
    let bouncer = PgBouncer::start(postgres.port()).await.unwrap();
    let first = world.by_way_of(bouncer.port());
    first.migrate().await.unwrap();
    first.ready().await.unwrap();

    // More clients than the two sessions they share.
    let mut clients = JoinSet::new();
    for client in 0..6 {
        let ledger = world.by_way_of(bouncer.port());
        clients.spawn(async move {
            for round in 0..20 {
                ledger.record(&set(client, round)).await.unwrap();
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }

    assert_eq!(world.wrong_balances().await, 0);
    assert_eq!(first.client("1-9", "", 1).await.unwrap().unwrap().count, 7);
    let mut session = world.session_by_way_of(bouncer.port()).await;
    let setting = sqlx::raw_sql("SHOW statement_timeout").fetch_one(&mut session).await.unwrap();
    assert_eq!(setting.get::<String, _>(0), "0");
}

/// Seven invoices, the same of all clients, with versions that no other has.
fn set(client: i64, round: i64) -> Vec<Entry> {
    let version = |number| (round * 7 + number) * 6 + client + 1;
    (0..7).map(|number| entry("1-9", &format!("F{number}"), &version(number).to_string(), version(number))).collect()
}
