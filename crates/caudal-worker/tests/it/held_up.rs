//! PostgreSQL is there, and something keeps it from recording a set: the rest is recorded, and what was held up later.

use std::time::Duration;

use caudal_invoice::Invoice;
use caudal_testkit::wait;

use crate::world::{RUT, World, invoices};

const OTHER: &str = "22222222-2";

#[tokio::test]
async fn a_client_whose_row_somebody_keeps_locked_keeps_no_other_client_waiting() {
    let world = World::start().await;
    let worker = world.worker();
    let first = world.admit(&invoices(1), 1).await;
    world.finished(first).await;
    let locked = world.session(&format!("SELECT rut FROM clients WHERE rut = '{RUT}' FOR UPDATE"));
    let clients = invoices(300).into_iter().zip([RUT, OTHER].into_iter().cycle());
    let given: Vec<_> = clients.map(|(invoice, rut)| Invoice { rut: rut.to_owned(), ..invoice }).collect();

    let batch = world.admit(&given, 30).await;

    wait::until("the other client's are recorded", Duration::from_secs(40), async || {
        let status = world.queue.status(batch).await.unwrap().unwrap();
        if status.recorded == 150 { Ok(()) } else { Err(status) }
    })
    .await
    .unwrap();
    assert_eq!(world.client(OTHER).await.count, 150);
    assert_eq!(world.client(RUT).await.count, 1);
    let backlog = world.queue.backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.dead), (150, 0));
    drop(locked);
    let status = world.finished(batch).await;
    // The first one stood already.
    assert_eq!((status.recorded, status.unchanged, status.rejected), (299, 1, 0));
    worker.end().await;
}

#[tokio::test]
async fn a_set_that_takes_postgresql_too_long_is_recorded_in_parts() {
    let world = World::start().await;
    world.sql(
        "CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM given) > 50 THEN PERFORM pg_sleep(60); END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER take_long AFTER INSERT ON invoices REFERENCING NEW TABLE AS given
            FOR EACH STATEMENT EXECUTE FUNCTION take_long()",
    );
    let batch = world.admit(&invoices(80), 80).await;

    let worker = world.worker();

    let status = world.finished(batch).await;
    assert_eq!((status.recorded, status.unchanged, status.rejected), (80, 0, 0));
    worker.end().await;
}
