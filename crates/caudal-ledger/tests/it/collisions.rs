//! Transactions that get into each other's way are tried again, without a word to the caller.

use caudal_ledger::Outcome;

use crate::world::{World, entry};

#[tokio::test]
async fn the_victim_of_a_deadlock_records_its_set_after_all() {
    let world = World::start().await;
    world.ledger.record(&[entry("1-9", "A", "1", 1), entry("2-7", "A", "1", 2)]).await.unwrap();
    // This one is not chosen: it looks for deadlocks later than the ledger's session, which waits first.
    let mut other = world.session().await;
    sqlx::raw_sql("SET deadlock_timeout = '1min'; BEGIN; SELECT FROM clients WHERE rut = '2-7' FOR UPDATE")
        .execute(&mut other)
        .await
        .unwrap();
    let ledger = world.another();
    let recording =
        tokio::spawn(async move { ledger.record(&[entry("1-9", "B", "10", 3), entry("2-7", "B", "10", 4)]).await });
    world.someone_waits().await;

    sqlx::raw_sql("SELECT FROM clients WHERE rut = '1-9' FOR UPDATE").execute(&mut other).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();

    assert_eq!(recording.await.unwrap().unwrap(), [Outcome::Recorded; 2]);
    assert_eq!(world.wrong_balances().await, 0);
}

#[tokio::test]
async fn a_serialisation_failure_is_tried_again() {
    let world = World::start().await;
    let twice = "CREATE SEQUENCE tries;
        CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') <= 2 THEN RAISE 'not now' USING ERRCODE = '40001'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fail BEFORE INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION fail_twice()";
    world.run(twice).await;

    assert_eq!(world.ledger.record(&[entry("1-9", "A", "1", 1)]).await.unwrap(), [Outcome::Recorded]);

    let tries: i64 =
        sqlx::query_scalar("SELECT last_value FROM tries").fetch_one(&mut world.session().await).await.unwrap();
    assert_eq!(tries, 3);
}
