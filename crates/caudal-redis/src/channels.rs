//! Listening to channels: one connection for all channels of a client, whatever their number.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::StreamExt;
use redis::{
    Msg, RedisError, RedisResult,
    aio::{PubSub, PubSubSink},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{Fault, client::CONNECT_LIMIT};

/// How long subscribing may take.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait before the second attempt to connect; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long to wait between two attempts to connect, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The subscription stands, for the first time or again: what was published before was missed.
    Subscribed,
    /// Something was published: its payload.
    Message(Vec<u8>),
}

/// Hears what is published to one channel, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    slot: Arc<Slot>,
    channel: String,
    channels: Channels,
}

impl Listener {
    /// The first that was published since this was asked last, or that the subscription stands (again) if nothing was. Later
    /// messages that nobody asked for meanwhile are forgotten.
    pub async fn next(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.slot.lock().heard.take() {
                return heard;
            }
            self.slot.filled.notified().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.channels.lock();
        if let Some(slots) = state.wanted.get_mut(&self.channel) {
            slots.retain(|slot| !std::ptr::eq(slot.as_ptr(), Arc::as_ptr(&self.slot)));
            if slots.is_empty() {
                state.wanted.remove(&self.channel);
            }
        }
        self.channels.changed.notify_one();
    }
}

/// Where a listener finds what it was told last.
#[derive(Debug, Default)]
struct Slot {
    content: Mutex<Content>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Content {
    /// Whether it knows that its subscription stands on the present connection.
    subscribed: bool,
    heard: Option<Heard>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribed(&self) {
        let mut content = self.lock();
        if !std::mem::replace(&mut content.subscribed, true) {
            content.heard.get_or_insert(Heard::Subscribed);
            self.filled.notify_one();
        }
    }

    fn message(&self, payload: &[u8]) {
        let mut content = self.lock();
        if !matches!(content.heard, Some(Heard::Message(_))) {
            content.heard = Some(Heard::Message(payload.to_vec()));
            self.filled.notify_one();
        }
    }
}

/// All listeners of one client. The first starts a task that holds the connection; it ends with the last.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    client: redis::Client,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    wanted: HashMap<String, Vec<Weak<Slot>>>,
}

impl Channels {
    pub(crate) fn new(client: redis::Client) -> Self {
        Self { client, state: Arc::default(), changed: Arc::default() }
    }

    pub(crate) fn listen(&self, channel: &str) -> Listener {
        let slot = Arc::new(Slot::default());
        let mut state = self.lock();
        state.wanted.entry(channel.to_owned()).or_default().push(Arc::downgrade(&slot));
        if !std::mem::replace(&mut state.running, true) {
            tokio::spawn(self.clone().run());
        }
        drop(state);
        self.changed.notify_one();
        Listener { slot, channel: channel.to_owned(), channels: self.clone() }
    }

    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        while self.goes_on() {
            if let Ok(connection) = connect(&self.client).await
                && self.attend(connection).await
            {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Whether anybody still listens; if not, the next listener starts anew.
    fn goes_on(&self) -> bool {
        let mut state = self.lock();
        state.running = !state.wanted.is_empty();
        state.running
    }

    /// Passes on what is published, until the connection ends or there is no channel left. Answers whether there ever was one.
    async fn attend(&self, connection: PubSub) -> bool {
        let (mut sink, mut messages) = connection.split();
        for slot in self.lock().wanted.values().flatten().filter_map(Weak::upgrade) {
            slot.lock().subscribed = false;
        }
        let (mut joined, mut stood) = (HashSet::new(), false);
        while self.join(&mut sink, &mut joined).await.is_ok() && !joined.is_empty() {
            stood = true;
            loop {
                tokio::select! {
                    message = messages.next() => match message {
                        Some(message) => self.pass_on(&message),
                        None => return stood,
                    },
                    () = self.changed.notified() => break,
                }
            }
        }
        stood
    }

    /// Subscribes to what is wanted and not `joined` yet, leaves what is wanted no more, and tells those whose subscription stands.
    async fn join(&self, sink: &mut PubSubSink, joined: &mut HashSet<String>) -> RedisResult<()> {
        let (missing, left) = {
            let state = self.lock();
            let missing: Vec<String> = state.wanted.keys().filter(|name| !joined.contains(*name)).cloned().collect();
            let left: Vec<String> = joined.iter().filter(|name| !state.wanted.contains_key(*name)).cloned().collect();
            (missing, left)
        };
        if !left.is_empty() {
            limited(sink.unsubscribe(&left)).await?;
            joined.retain(|name| !left.contains(name));
        }
        joined.extend(subscribe(sink, missing).await?);
        let state = self.lock();
        let standing = state.wanted.iter().filter(|(name, _)| joined.contains(*name));
        standing.flat_map(|(_, slots)| slots).filter_map(Weak::upgrade).for_each(|slot| slot.subscribed());
        Ok(())
    }

    fn pass_on(&self, message: &Msg) {
        let state = self.lock();
        let slots = state.wanted.get(message.get_channel_name()).into_iter().flatten();
        slots.filter_map(Weak::upgrade).for_each(|slot| slot.message(message.get_payload_bytes()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that can subscribe to channels.
pub(crate) async fn connect(client: &redis::Client) -> RedisResult<PubSub> {
    timeout(CONNECT_LIMIT, client.get_async_pubsub()).await.map_err(|_| timed_out())?
}

/// Subscribes to all at once, or, where Redis refuses that, to those it does not refuse, and answers which these are.
async fn subscribe(sink: &mut PubSubSink, channels: Vec<String>) -> RedisResult<Vec<String>> {
    if channels.is_empty() {
        return Ok(channels);
    }
    match limited(sink.subscribe(&channels)).await {
        Ok(()) => return Ok(channels),
        Err(error) if Fault::of(&error) == Fault::Unavailable => return Err(error),
        Err(_) => {}
    }
    let mut allowed = Vec::new();
    for channel in channels {
        match limited(sink.subscribe(&channel)).await {
            Ok(()) => allowed.push(channel),
            Err(error) if Fault::of(&error) == Fault::Unavailable => return Err(error),
            Err(_) => {}
        }
    }
    Ok(allowed)
}

async fn limited(answer: impl Future<Output = RedisResult<()>>) -> RedisResult<()> {
    timeout(SUBSCRIBE_LIMIT, answer).await.map_err(|_| timed_out())?
}

fn timed_out() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}
