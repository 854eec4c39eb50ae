//! Being told that there is work where there was none.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use redis::{RedisResult, aio::PubSubStream};
use tokio::time::{sleep, timeout};

use crate::Queue;

/// How long to wait before subscribing again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long subscribing may take.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(3);

impl Queue {
    /// One item whenever an admission found nothing waiting or in flight, and one after each connection to Redis, because a
    /// message may have been missed before it. Never ends; connects again by itself. Dropping it ends the subscription.
    pub fn wakes(&self) -> impl Stream<Item = ()> + Send + Unpin + use<> {
        let wakes = stream::unfold((self.clone(), None), |(queue, messages)| async move {
            let messages = next(&queue, messages).await;
            Some(((), (queue, Some(messages))))
        });
        Box::pin(wakes)
    }
}

/// Returns at the next message, or as soon as a new subscription stands.
async fn next(queue: &Queue, messages: Option<PubSubStream>) -> PubSubStream {
    if let Some(mut messages) = messages
        && messages.next().await.is_some()
    {
        return messages;
    }
    loop {
        if let Ok(Ok(messages)) = timeout(SUBSCRIBE_LIMIT, subscribe(queue)).await {
            return messages;
        }
        sleep(PAUSE).await;
    }
}

async fn subscribe(queue: &Queue) -> RedisResult<PubSubStream> {
    let mut connection = queue.client().subscriber().await?;
    connection.subscribe(&queue.keys().wake).await?;
    Ok(connection.into_on_message())
}
