//! Wakes: told when there is work where there was none.

use std::future::ready;

use caudal_testkit::wait;
use futures_util::{Stream, StreamExt};
use redis::aio::PubSubStream;
use tokio::time::timeout;

use crate::world::{SOON, World, all_recorded, batch, lease};

/// A channel of the test.
const MARK: &str = "mark";

async fn woken(wakes: &mut (impl Stream<Item = ()> + Unpin)) {
    timeout(SOON, wakes.next()).await.unwrap().unwrap();
}

/// A subscription beside the queue's own, to count by.
async fn messages(world: &World) -> PubSubStream {
    let mut connection = world.client.subscriber().await.unwrap();
    connection.subscribe(&["caudal:{facturas}:wake", MARK]).await.unwrap();
    connection.into_on_message()
}

/// How many messages woke since this was asked last: those before a mark.
async fn counted(world: &World, messages: &mut PubSubStream) -> usize {
    let _: u64 = world.run(&["PUBLISH", MARK, ""]).await;
    let before = messages.take_while(|message| ready(message.get_channel_name() != MARK));
    timeout(SOON, before.count()).await.unwrap()
}

#[tokio::test]
async fn the_first_batch_of_an_empty_queue_wakes_and_the_next_does_not() {
    let world = World::start().await;
    let mut wakes = world.queue.wakes();
    woken(&mut wakes).await;
    let mut messages = messages(&world).await;
    world.admit(&batch(&[])).await;
    world.admit(&batch(&[1])).await;
    woken(&mut wakes).await;
    assert_eq!(counted(&world, &mut messages).await, 1);
    world.admit(&batch(&[1])).await;
    let leases = lease(&mut world.queue.consumer("pod/1"), 2).await;
    world.admit(&batch(&[])).await;
    assert_eq!(counted(&world, &mut messages).await, 0);

    for lease in &leases {
        world.settle(lease, &all_recorded(lease)).await;
    }
    world.admit(&batch(&[1])).await;
    woken(&mut wakes).await;
    assert_eq!(counted(&world, &mut messages).await, 1);
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
