//! Wakes: told when there is work where there was none.

use std::time::Duration;

use caudal_testkit::wait;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::time::timeout;

use crate::world::{SOON, World, all_recorded, batch, lease};

async fn woken(wakes: &mut (impl Stream<Item = ()> + Unpin)) {
    timeout(SOON, wakes.next()).await.unwrap().unwrap();
}

fn is_silent(wakes: &mut (impl Stream<Item = ()> + Unpin)) -> bool {
    wakes.next().now_or_never().is_none()
}

#[tokio::test]
async fn the_first_batch_of_an_empty_queue_wakes_and_the_next_does_not() {
    let world = World::start().await;
    let mut wakes = world.queue.wakes();
    woken(&mut wakes).await;
    world.admit(&batch(&[])).await;
    world.admit(&batch(&[1])).await;
    woken(&mut wakes).await;
    world.admit(&batch(&[1])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 2).await;
    world.admit(&batch(&[])).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(is_silent(&mut wakes));

    for lease in &leases {
        world.settle(lease, &all_recorded(lease)).await;
    }
    world.admit(&batch(&[1])).await;
    woken(&mut wakes).await;
}

#[tokio::test]
async fn a_subscription_that_broke_stands_again_and_wakes_once_for_what_it_may_have_missed() {
    let mut world = World::start().await;
    let mut wakes = world.queue.wakes();
    woken(&mut wakes).await;
    world.redis.kill().await.unwrap();
    world.redis.restart().await.unwrap();
    woken(&mut wakes).await;
    wait::until("an admission", SOON, async || world.queue.admit(&batch(&[1]), 10).await).await.unwrap();
    woken(&mut wakes).await;
}
