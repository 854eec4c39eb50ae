//! Migrations: once, however many ask; and which programs the tables allow.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use caudal_ledger::{Error, Ledger, Options};
use caudal_testkit::wait;
use sqlx::PgConnection;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::world::{World, entry};

#[tokio::test]
async fn before_the_first_migration_the_ledger_is_unavailable_and_no_data_is_condemned() {
    let world = World::bare().await;

    let recorded = world.ledger.record(&[entry("1-9", "A", "1", 1)]).await;

    assert!(matches!(recorded, Err(Error::Unavailable { .. })), "{recorded:?}");
    let ready = world.ledger.ready().await.unwrap_err();
    assert!(ready.to_string().contains("caudal migrate"), "{ready}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_migrations_at_once_and_again_make_the_tables_once() {
    let world = World::bare().await;
    let mut migrations = JoinSet::new();
    for _ in 0..8 {
        let ledger = world.another();
        migrations.spawn(async move { ledger.migrate().await });
    }
    while let Some(done) = migrations.join_next().await {
        done.unwrap().unwrap();
    }
    world.ledger.ready().await.unwrap();
    world.ledger.record(&[entry("1-9", "A", "1", 1)]).await.unwrap();

    world.ledger.migrate().await.unwrap();

    assert!(world.ledger.client("1-9", "", 1).await.unwrap().is_some());
}

#[tokio::test]
async fn a_migration_that_another_holds_up_says_so_and_does_not_wait_for_ever() {
    let world = World::bare().await;
    let mut other = world.session().await;
    sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(4860913587217)").execute(&mut other).await.unwrap();

    let held_up = timeout(Duration::from_secs(30), world.ledger.migrate()).await.unwrap();

    assert!(matches!(held_up, Err(Error::Unavailable { reason: "another migration is under way", .. })), "{held_up:?}");
    drop(other);
    wait::until("the tables are made", Duration::from_secs(30), async || world.ledger.migrate().await).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_is_stopped_half_way_gives_way_to_the_next() {
    let world = World::bare().await;
    let other = world.another();
    let mut stopped = pin!(other.migrate());
    let mut session = world.session().await;
    // Each turn brings it as far as its next answer from the server.
    while !holds_the_lock(&mut session).await {
        assert!(!poll_fn(|context| Poll::Ready(stopped.as_mut().poll(context).is_ready())).await, "it is done already");
    }

    wait::until("the tables are made", Duration::from_secs(40), async || world.ledger.migrate().await).await.unwrap();

    world.ledger.ready().await.unwrap();
    assert!(stopped.await.is_err());
}

/// Whether a migration of this database is under way.
async fn holds_the_lock(session: &mut PgConnection) -> bool {
    const HOLDS: &str = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND datname = current_database())";
    sqlx::query_scalar(HOLDS).fetch_one(session).await.unwrap()
}

#[tokio::test]
async fn an_older_program_is_refused_by_newer_tables_and_changes_nothing() {
    let world = World::start().await;
    world.run("UPDATE compatibility SET oldest_program = 1000").await;

    let recorded = world.ledger.record(&[entry("1-9", "A", "1", 1)]).await;

    assert!(matches!(recorded, Err(Error::Outdated { oldest: 1000, .. })), "{recorded:?}");
    assert!(matches!(world.ledger.ready().await, Err(Error::Outdated { .. })));
    assert!(matches!(world.ledger.migrate().await, Err(Error::Outdated { .. })));
    assert_eq!(world.ledger.client("1-9", "", 1).await.unwrap(), None);
}

#[tokio::test]
async fn tables_of_a_newer_program_that_allow_this_one_are_used_and_left_alone() {
    let world = World::start().await;
    world.run("ALTER TABLE invoices ADD COLUMN later text; INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, '', 0)").await;

    world.ledger.migrate().await.unwrap();

    world.ledger.ready().await.unwrap();
    world.ledger.record(&[entry("1-9", "A", "1", 1)]).await.unwrap();
}

#[tokio::test]
async fn a_wrong_address_is_one_line_without_the_password() {
    for wrong in ["caudal:hunter2@db", "mysql://caudal:hunter2@db/caudal", "postgres://caudal:hunter2@db:port/caudal"] {
        let options = Options { database_url: wrong.into() };

        let refused = Ledger::new(&options).unwrap_err().to_string();

        assert!(refused.starts_with("DATABASE_URL: given ") && refused.contains("allowed "), "{refused}");
        assert!(!refused.contains("hunter2") && !format!("{options:?}").contains("hunter2"), "{refused}");
        assert_eq!(refused.lines().count(), 1);
    }
}
