//! Being told that there is work where there was none.

use caudal_redis::Heard;
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};

use crate::Queue;

/// There is work where there was none, or may be: the subscription stands again, and something may have been missed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wake {
    /// When the work came, by Redis' clock; none where that is not known.
    pub at: Option<DateTime<Utc>>,
    /// The W3C trace context of the POST that brought it, when it is sampled.
    pub traceparent: Option<String>,
}

impl Queue {
    /// One item whenever an admission found nothing waiting or in flight, or dead letters are retried where nothing was, and one
    /// whenever the subscription stands (again), because a message may have been missed before it. Of messages that come before
    /// the last item was taken the first stays. Never ends; connects again by itself. Dropping it ends the subscription. Must be
    /// called within a Tokio runtime.
    pub fn wakes(&self) -> impl Stream<Item = Wake> + Send + Unpin + use<> {
        let listener = self.client().listen(&self.keys().wake);
        Box::pin(stream::unfold(listener, |mut listener| async move {
            let wake = match listener.next().await {
                Heard::Subscribed => Wake::default(),
                Heard::Message(message) => parse(&message),
            };
            Some((wake, listener))
        }))
    }
}

/// A message holds microseconds and, after a space, a trace context; of a program before that was so it holds nothing.
fn parse(message: &[u8]) -> Wake {
    let text = String::from_utf8_lossy(message);
    let (at, traceparent) = text.split_once(' ').unwrap_or((&text, ""));
    Wake {
        at: at.parse().ok().and_then(DateTime::from_timestamp_micros),
        traceparent: (!traceparent.is_empty()).then(|| traceparent.to_owned()),
    }
}
