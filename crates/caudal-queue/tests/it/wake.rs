//! Wakes: told when there is work where there was none.

use std::future::ready;

use caudal_queue::{Batch, Queue, Wake};
use caudal_testkit::wait;
use futures_util::{Stream, StreamExt};
use redis::aio::PubSubStream;
use tokio::time::timeout;

use crate::world::{ROOMY, SOON, World, all_recorded, batch, lease};

/// A channel of the test.
const MARK: &str = "mark";

async fn woken(wakes: &mut (impl Stream<Item = Wake> + Unpin)) -> Wake {
    timeout(SOON, wakes.next()).await.unwrap().unwrap()
}

/// Another queue of the same process.
fn beside(world: &World, name: &str) -> Queue {
    Queue::new(&world.client, &caudal_queue::Options { queue: name.parse().unwrap() })
}

/// How many connections listen to channels, and to how many in all.
async fn listening(world: &World) -> (usize, usize) {
    let clients: String = world.run(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
    let channels: Vec<String> = world.run(&["PUBSUB", "CHANNELS"]).await;
    (clients.lines().count(), channels.len())
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

#[tokio::test]
async fn a_wake_tells_when_work_came_and_which_trace_brought_it() {
    let world = World::start().await;
    let mut wakes = world.queue.wakes();
    assert_eq!(woken(&mut wakes).await, Wake::default(), "the subscription stands");
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let traced = Batch { traceparent: traceparent.clone(), ..batch(&[1, 1]) };
    world.admit(&traced).await;
    let wake = woken(&mut wakes).await;
    assert_eq!(wake.traceparent, traceparent);
    let leases = lease(&mut world.queue.consumer("pod/1"), 2).await;
    assert_eq!(wake.at.map(|at| at.timestamp_micros()), Some(leases[0].version));

    for lease in &leases {
        world.settle(lease, &all_recorded(lease)).await;
    }
    world.admit(&batch(&[1])).await;
    let wake = woken(&mut wakes).await;
    assert!(wake.at.is_some() && wake.traceparent.is_none(), "{wake:?}");
}

#[tokio::test]
async fn a_message_of_an_older_program_wakes_without_details() {
    let world = World::start().await;
    let mut wakes = world.queue.wakes();
    woken(&mut wakes).await;
    let _: u64 = world.run(&["PUBLISH", "caudal:{facturas}:wake", ""]).await;
    assert_eq!(woken(&mut wakes).await, Wake::default());
}

#[tokio::test]
async fn all_queues_of_a_process_listen_on_one_connection_and_each_hears_of_its_own_work() {
    let world = World::start().await;
    let queues: Vec<Queue> = (0..20).map(|number| beside(&world, &format!("q{number}"))).collect();
    let mut wakes: Vec<_> = queues.iter().map(Queue::wakes).collect();
    for wakes in &mut wakes {
        woken(wakes).await;
    }
    assert_eq!(listening(&world).await, (1, 20));
    queues[7].admit(&batch(&[1]), ROOMY).await.unwrap();
    assert!(woken(&mut wakes[7]).await.at.is_some());
    queues[8].admit(&batch(&[1]), ROOMY).await.unwrap();
    assert!(woken(&mut wakes[8]).await.at.is_some());
    let heard = wakes.iter_mut().map(|wakes| futures_util::FutureExt::now_or_never(wakes.next()));
    assert_eq!(heard.flatten().count(), 0, "nobody else was woken");

    wakes.truncate(3);
    wait::until("the others are left", SOON, async || match listening(&world).await {
        (1, 3) => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
    drop(wakes);
    wait::until("the connection is closed", SOON, async || match listening(&world).await {
        (0, 0) => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
    woken(&mut queues[0].wakes()).await;
}

#[tokio::test]
async fn a_queue_that_may_not_be_listened_to_holds_up_no_other() {
    let world = World::start().await;
    let rule = "ACL SETUSER default resetchannels &caudal:{good}:*";
    let _: () = world.run(&rule.split(' ').collect::<Vec<_>>()).await;
    let (bad, good) = (beside(&world, "bad"), beside(&world, "good"));
    let (mut refused, mut wakes) = (bad.wakes(), good.wakes());
    woken(&mut wakes).await;
    good.admit(&batch(&[1]), ROOMY).await.unwrap();
    assert!(woken(&mut wakes).await.at.is_some());
    let _: () = world.run(&["ACL", "SETUSER", "default", "allchannels"]).await;
    let _another = beside(&world, "third").wakes();
    woken(&mut refused).await;
}
