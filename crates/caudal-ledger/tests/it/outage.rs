//! PostgreSQL away, back, stuck: what the ledger says, and how soon.

use std::time::{Duration, Instant};

use caudal_ledger::{Error, Outcome};
use caudal_testkit::{Postgres, wait};
use tokio::time::timeout;

use crate::world::{World, decimal, entry};

fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable { .. }))
}

/// The answer, which must come within the time the ledger promises.
async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), answer).await.unwrap()
}

#[tokio::test]
async fn a_postgresql_that_is_away_is_told_in_time_and_used_again_when_it_is_back() {
    let mut postgres = Postgres::start().await.unwrap();
    let world = World::on(&postgres).await;
    world.ledger.migrate().await.unwrap();
    world.ledger.record(&[entry("1-9", "A", "1", 1)]).await.unwrap();

    postgres.stop().await.unwrap();

    assert!(is_unavailable(&in_time(world.ledger.record(&[entry("1-9", "B", "2", 2)])).await));
    assert!(is_unavailable(&in_time(world.ledger.ready()).await));
    assert!(is_unavailable(&in_time(world.ledger.client("1-9", "", 1)).await));

    postgres.restart().await.unwrap();
    wait::until("PostgreSQL is used again", Duration::from_secs(10), async || world.ledger.ready().await)
        .await
        .unwrap();
    let outcomes = world.ledger.record(&[entry("1-9", "B", "2", 2)]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Recorded]);
    assert_eq!(world.balance("1-9").await, decimal("3"));
}

#[tokio::test]
async fn sessions_that_the_server_ended_are_replaced_without_a_word() {
    let world = World::start().await;
    let versions = [1, 2, 3, 4];
    let entries = versions.map(|version| [entry("1-9", &format!("F{version}"), "1", version)]);
    let [one, two, three, four] = entries.each_ref().map(|entry| world.ledger.record(entry));
    let (_, _, _, _) = tokio::try_join!(one, two, three, four).unwrap();
    world.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'caudal' AND datname = current_database()").await;

    let outcomes = world.ledger.record(&[entry("1-9", "G", "1", 5)]).await.unwrap();

    assert_eq!(outcomes, [Outcome::Recorded]);
}

#[tokio::test]
async fn a_stopped_session_that_holds_a_client_holds_others_up_for_less_than_a_lease() {
    let world = World::start().await;
    world.ledger.record(&[entry("1-9", "A", "1", 1)]).await.unwrap();
    let mut holder = world.session().await;
    sqlx::raw_sql("BEGIN; SELECT FROM clients FOR UPDATE").execute(&mut holder).await.unwrap();

    let since = Instant::now();
    let held_up = world.ledger.record(&[entry("1-9", "B", "2", 2)]).await;

    assert!(matches!(held_up, Err(Error::Locked(_))), "{held_up:?}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    let in_a_hurry = world.ledger.record_in_a_hurry(&[entry("1-9", "B", "2", 2)]).await;
    assert!(matches!(in_a_hurry, Err(Error::Locked(_))), "{in_a_hurry:?}");
    assert_eq!(world.ledger.record(&[entry("2-7", "A", "1", 3)]).await.unwrap(), [Outcome::Recorded]);
}

#[tokio::test]
async fn a_set_that_takes_too_long_is_told_from_a_postgresql_that_is_away() {
    let world = World::start().await;
    let slow = "CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM given) > 1 THEN PERFORM pg_sleep(60); END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER take_long AFTER INSERT ON invoices REFERENCING NEW TABLE AS given
            FOR EACH STATEMENT EXECUTE FUNCTION take_long()";
    world.run(slow).await;
    let entries = [entry("1-9", "A", "1", 1), entry("1-9", "B", "1", 2)];

    let recorded = world.ledger.record(&entries).await;

    assert!(matches!(recorded, Err(Error::Slow(_))), "{recorded:?}");
    assert_eq!(world.ledger.record(&entries[..1]).await.unwrap(), [Outcome::Recorded]);
}

#[tokio::test]
async fn a_read_only_postgresql_is_not_ready() {
    let world = World::start().await;
    let read_only = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
    END $$";
    world.run(read_only).await;

    let ledger = world.another();

    assert!(is_unavailable(&ledger.ready().await));
    assert!(is_unavailable(&ledger.record(&[entry("1-9", "A", "1", 1)]).await));
}
