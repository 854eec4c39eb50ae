//! The client: makes the kinds of connections Caudal uses.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, IntoConnectionInfo, RedisResult,
    aio::{MultiplexedConnection, PubSub},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use crate::{
    Error, Listener, Options, Shared,
    channels::{self, Channels},
};

/// How long making a connection may take.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How much longer than it was asked to block a reader may take: Redis may be late.
const BLOCK_SLACK: Duration = Duration::from_secs(5);
/// How long sent bytes may stay without a sign of the other side, before the connection counts as dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// One Redis. Cheap to clone; clones have the shared connection and the one that listens in common.
#[derive(Debug, Clone)]
pub struct Client {
    client: redis::Client,
    shared: Shared,
    channels: Channels,
}

impl Client {
    /// Checks the options. Connects nothing, so a Redis that is away is no error; must be called within a Tokio runtime.
    ///
    /// # Errors
    /// `Error::Url` when the URL is not one of a Redis.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let url = &options.redis_url;
        let client = open(url.expose()).map_err(|source| Error::Url { given: url.to_string(), source })?;
        let shared = Shared::new(client.clone()).map_err(|source| Error::Url { given: url.to_string(), source })?;
        let channels = Channels::new(client.clone());
        Ok(Self { client, shared, channels })
    }

    /// The connection of all short commands: multiplexed, with short time limits, connecting at its first command and
    /// again after a failure.
    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// A connection of its own for one reader whose commands block up to `block`. After an error drop it and make another.
    ///
    /// # Errors
    /// The driver's error when Redis cannot be reached within a second or refuses the user.
    pub async fn dedicated(&self, block: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(block + BLOCK_SLACK));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Listens to a channel from now on. All that is listened to goes through one connection, which is made again by itself,
    /// refused channels being left out. Must be called within a Tokio runtime.
    pub fn listen(&self, channel: &str) -> Listener {
        self.channels.listen(channel)
    }

    /// A connection of its own that can subscribe to channels. When its stream of messages ends, make another.
    ///
    /// # Errors
    /// The driver's error when Redis cannot be reached within a second or refuses the user.
    pub async fn subscriber(&self) -> RedisResult<PubSub> {
        channels::connect(&self.client).await
    }
}

fn open(url: &str) -> RedisResult<redis::Client> {
    let keepalive = TcpKeepalive::new().with_time(SILENCE_LIMIT).with_interval(SILENCE_LIMIT / 4);
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(SILENCE_LIMIT);
    redis::Client::open(url.into_connection_info()?.set_tcp_settings(tcp))
}
