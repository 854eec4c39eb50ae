//! Connections that break at every point of a transaction.

use caudal_ledger::Outcome;

use crate::proxy::{Cut, Proxy};
use crate::world::{World, decimal, entry};

/// BEGIN, what describes the call, the call, COMMIT.
const REQUESTS: usize = 4;

#[tokio::test]
async fn a_connection_lost_at_any_point_of_a_transaction_leaves_the_set_recorded_once() {
    let world = World::start().await;
    let proxy = Proxy::start(world.port).await;
    let ledger = world.by_way_of(proxy.port);
    ledger.record(&[entry("1-9", "first", "1", 1)]).await.unwrap();
    let mut version = 1;
    for heard in [false, true] {
        for request in 1..=REQUESTS {
            version += 1;
            proxy.arm(Cut { request, heard });

            let outcomes = ledger.record(&[entry("1-9", &format!("F{version}"), "1", version)]).await;

            assert!(proxy.has_cut(), "there was no request {request}");
            assert_eq!(outcomes.unwrap(), [Outcome::Recorded], "request {request}, heard: {heard}");
            assert_eq!(world.balance("1-9").await, decimal(&version.to_string()));
            assert_eq!(world.wrong_balances().await, 0);
        }
    }
    proxy.arm(Cut { request: REQUESTS + 1, heard: false });
    ledger.record(&[entry("1-9", "last", "1", version + 1)]).await.unwrap();
    assert!(!proxy.has_cut(), "a transaction has more requests than this test cuts");
}
