//! Entries of a program newer than this one.

use std::time::Duration;

use caudal_queue::Backlog;

use crate::world::{World, all_recorded, batch, lease};

const STREAM: &str = "caudal:{facturas}:stream";
const BLOCK: Duration = Duration::from_millis(20);

#[tokio::test]
async fn an_entry_of_a_newer_program_goes_back_untouched_and_holds_up_nothing() {
    let world = World::start().await;
    let bytes = "\u{2}of another format, and long enough to hold a count in the place where this one has it";
    let newer: String = world.run(&["XADD", STREAM, "*", "e", bytes]).await;
    world.admit(&batch(&[1, 1])).await;
    let another: String = world.run(&["XADD", STREAM, "*", "e", bytes]).await;
    world.admit(&batch(&[1])).await;

    let mut old = world.queue.consumer("pod/old");
    for lease in lease(&mut old, 3).await {
        world.settle(&lease, &all_recorded(&lease)).await;
    }
    assert_eq!(old.reclaim(10).await.unwrap().leases.len(), 0);
    assert_eq!(old.lease(10, BLOCK).await.unwrap().len(), 0);
    // Another old worker gives them back too, and takes what comes after them.
    let mut older = world.queue.consumer("pod/older");
    assert_eq!(older.reclaim(1).await.unwrap().leases.len(), 0);
    assert_eq!(older.reclaim(1).await.unwrap().leases.len(), 0);
    world.admit(&batch(&[1])).await;
    let leases = lease(&mut older, 1).await;
    world.settle(&leases[0], &all_recorded(&leases[0])).await;

    let Backlog { waiting_chunks, in_flight_chunks, busy_consumers, .. } = world.queue.backlog().await.unwrap();
    assert_eq!((waiting_chunks, in_flight_chunks, busy_consumers), (2, 0, 0));
    let pending: Vec<(String, String, u64, u64)> = world.run(&["XPENDING", STREAM, "workers", "-", "+", "10"]).await;
    let seen: Vec<_> = pending.iter().map(|(id, owner, _, tries)| (id, owner.as_str(), *tries)).collect();
    assert_eq!(seen, [(&newer, "released", 0), (&another, "released", 0)], "a new worker may take them at once");
    let kept: Vec<(String, Vec<(String, String)>)> = world.run(&["XRANGE", STREAM, "-", "+"]).await;
    assert!(kept.iter().all(|(_, fields)| *fields == [("e".to_owned(), bytes.to_owned())]));
}
