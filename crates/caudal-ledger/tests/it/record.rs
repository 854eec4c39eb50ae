//! What stands in the ledger after versions came in any order, and what each of them is told.

use caudal_ledger::{Error, Outcome};

use crate::world::{World, decimal, entry};

const RUT: &str = "11111111-1";

#[tokio::test]
async fn the_last_received_stands_in_whatever_order_versions_arrive() {
    let world = World::start().await;
    let [first, delayed, last] =
        [(10, 1), (20, 2), (10, 3)].map(|(amount, version)| entry(RUT, "A", &amount.to_string(), version));

    for given in [&first, &last, &delayed] {
        world.ledger.record(std::slice::from_ref(given)).await.unwrap();
    }

    assert_eq!(world.balance(RUT).await, decimal("10"));
    let correction = entry(RUT, "A", "30.5", 4);
    assert_eq!(world.ledger.record(&[correction]).await.unwrap(), [Outcome::Recorded]);
    assert_eq!(world.ledger.record(&[delayed]).await.unwrap(), [Outcome::Unchanged]);
    assert_eq!(world.balance(RUT).await, decimal("30.5"));
    assert_eq!(world.wrong_balances().await, 0);
}

#[tokio::test]
async fn a_redelivery_writes_nothing_and_is_told_what_was_told_before() {
    let world = World::start().await;
    let entries = [entry(RUT, "A", "10", 1), entry("2-7", "B", "-3", 2), entry(RUT, "C", "7", 3)];
    let before = world.ledger.record(&entries).await.unwrap();
    let rows = rows(&world).await;

    assert_eq!(before, [Outcome::Recorded; 3]);
    assert_eq!(world.ledger.record(&entries).await.unwrap(), before);
    assert_eq!(self::rows(&world).await, rows);
}

#[tokio::test]
async fn the_same_content_again_raises_the_version_and_nothing_else() {
    let world = World::start().await;
    world.ledger.record(&[entry(RUT, "A", "10", 1)]).await.unwrap();
    let before = world.ledger.client(RUT, "", 1).await.unwrap();

    let resent = entry("11.111.111-1", "A", "10.0000", 3);
    assert_eq!(world.ledger.record(std::slice::from_ref(&resent)).await.unwrap(), [Outcome::Unchanged]);
    assert_eq!(world.ledger.record(&[resent]).await.unwrap(), [Outcome::Unchanged]);

    assert_eq!(world.ledger.client(RUT, "", 1).await.unwrap(), before);
    let older_correction = entry(RUT, "A", "99", 2);
    assert_eq!(world.ledger.record(&[older_correction]).await.unwrap(), [Outcome::Unchanged]);
    assert_eq!(world.balance(RUT).await, decimal("10"));
}

#[tokio::test]
async fn one_set_may_hold_several_versions_of_an_invoice() {
    let world = World::start().await;
    let entries = [entry(RUT, "A", "1", 1), entry("11.111.111-1", "A", "3", 3), entry(RUT, "A", "2", 2)];

    let outcomes = world.ledger.record(&entries).await.unwrap();

    assert_eq!(outcomes, [Outcome::Unchanged, Outcome::Recorded, Outcome::Unchanged]);
    assert_eq!(world.balance(RUT).await, decimal("3"));
    assert_eq!(world.wrong_balances().await, 0);
}

#[tokio::test]
async fn a_verdict_on_the_data_leaves_nothing_behind_and_shows_no_contents() {
    let world = World::start().await;
    world.run("ALTER TABLE invoices ADD CONSTRAINT small_enough CHECK (amount < 1000)").await;
    let too_long = "9".repeat(9_000_000);
    let too_large = entry(RUT, "secreta", "12345678901234567", 9);
    for (bad, condition) in [
        (entry(RUT, "secreta", "1243", 2), "check_violation"),
        (entry(RUT, "a\0", "1", 2), "character_not_in_repertoire"),
        (too_large, "numeric_value_out_of_range"),
        (entry(&too_long, "A", "1", 2), "program_limit_exceeded"),
    ] {
        let refused = world.ledger.record(&[entry(RUT, "A", "10", 1), bad]).await.unwrap_err();

        assert!(!format!("{refused} {refused:?}").contains("secreta"), "{refused:?}");
        let Error::Rejected { code, detail } = refused else { panic!("{refused:?}") };
        assert_eq!(code, condition);
        assert!(detail.contains("SQLSTATE"), "{detail}");
        assert_eq!(world.ledger.client(RUT, "", 1).await.unwrap(), None);
    }
}

/// Every row with the transaction that wrote it.
async fn rows(world: &World) -> Vec<String> {
    const ROWS: &str = "SELECT clients.xmin || ' ' || clients::text FROM clients
        UNION ALL SELECT invoices.xmin || ' ' || invoices::text FROM invoices ORDER BY 1";
    sqlx::query_scalar(ROWS).fetch_all(&mut world.session().await).await.unwrap()
}
