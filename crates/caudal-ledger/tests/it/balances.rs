//! Balances while many sessions write the same clients at once.

use caudal_ledger::Entry;
use tokio::task::JoinSet;

use crate::world::{World, decimal, entry};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_are_the_sums_after_many_sessions_wrote_the_same_clients() {
    let world = World::start().await;
    let mut sessions = JoinSet::new();
    for session in 0..12 {
        let ledger = world.another();
        sessions.spawn(async move {
            for round in 0..8 {
                ledger.record(&overlapping(session, round)).await.unwrap();
            }
        });
    }
    while let Some(done) = sessions.join_next().await {
        done.unwrap();
        assert_eq!(world.wrong_balances().await, 0);
    }
    let newest_stands: bool = sqlx::query_scalar("SELECT bool_and(amount = version) FROM invoices")
        .fetch_one(&mut world.session().await)
        .await
        .unwrap();
    assert!(newest_stands);
}

/// 40 invoices of 7 clients, in an order of the session's own, with versions that no other session has.
fn overlapping(session: i64, round: i64) -> Vec<Entry> {
    let place = |step: i64| (step * (2 * session + 1) + round) % 40;
    (0..40)
        .map(|step| {
            let version = (round * 40 + step) * 12 + session + 1;
            entry(&format!("{}-9", place(step) % 7 + 1), &format!("F{}", place(step)), &version.to_string(), version)
        })
        .collect()
}

/// Two sessions that both decided before either wrote are the way to a wrong balance: the second must decide again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_on_one_invoice_keep_the_sum_right() {
    let world = World::start().await;
    let ledgers = [world.another(), world.another()];
    for round in 0..200_i64 {
        let number = format!("F{}", round / 2);
        let [one, other] =
            [1, 2].map(|session| vec![entry("11111111-1", &number, &(session * 10).to_string(), round * 2 + session)]);
        let (one, other) = tokio::join!(ledgers[0].record(&one), ledgers[1].record(&other));
        one.unwrap();
        other.unwrap();
    }
    assert_eq!(world.wrong_balances().await, 0);
    assert_eq!(world.balance("11111111-1").await, decimal("2000"));
}

/// The client's row is the lock: a second session waits for the first and then sees what it wrote.
#[tokio::test]
async fn a_session_that_waited_for_another_counts_what_that_one_wrote() {
    let world = World::start().await;
    world.ledger.record(&[entry("1-9", "A", "1", 1)]).await.unwrap();
    let mut first = world.session().await;
    sqlx::raw_sql(
        "BEGIN; UPDATE clients SET balance = 20 WHERE rut = '1-9'; UPDATE invoices SET amount = 20, version = 2",
    )
    .execute(&mut first)
    .await
    .unwrap();
    let ledger = world.ledger.clone();
    let second = tokio::spawn(async move { ledger.record(&[entry("1-9", "A", "30", 3)]).await });
    world.someone_waits().await;

    sqlx::raw_sql("COMMIT").execute(&mut first).await.unwrap();

    second.await.unwrap().unwrap();
    assert_eq!(world.balance("1-9").await, decimal("30"));
    assert_eq!(world.wrong_balances().await, 0);
}
