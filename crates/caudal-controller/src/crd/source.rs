//! The queues a `QueueScaler` can follow.

use caudal_source::{Celery, List, SortedSet, Stream};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exactly one queue.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(
        "[has(self.caudal), has(self.list), has(self.stream), has(self.sortedSet), has(self.celery)].filter(x, x).size() == 1"
    )
    .message("name exactly one source: caudal, list, stream, sortedSet or celery")
)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Caudal's own queue: counts invoices that wait, are in flight or are to be retried, and is told of new work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caudal: Option<CaudalQueue>,
    /// Redis lists: counts entries, asked for once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<RedisQueue<List>>,
    /// A Redis stream with a consumer group: counts entries that wait or are pending, asked for once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<RedisQueue<Stream>>,
    /// A Redis sorted set: counts members, asked for once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sorted_set: Option<RedisQueue<SortedSet>>,
    /// Celery with its Redis broker: counts tasks that wait, are fetched or run, asked for once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celery: Option<RedisQueue<Celery>>,
}

/// A Redis server and how to log in.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedisServer {
    /// `redis://[USER@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. Without a password: that goes into a Secret.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("self.matches('^rediss?://([^:@/?#]+@)?[^@/?#]+(/[0-9]+)?$')").message(
            "write redis://[USER@]HOST[:PORT][/DATABASE], or rediss:// for TLS, and no password: name its Secret in passwordSecret"
        )
    )]
    pub url: String,
    /// The Secret that holds the password, in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<SecretKey>,
}

/// One value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key within the Secret; `password` unless given.
    #[serde(default = "password")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Caudal's own queue.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaudalQueue {
    /// The Redis that keeps the queue.
    pub redis: RedisServer,
    /// The queue's name, as `CAUDAL_QUEUE` gives it to the API and the workers.
    #[serde(default = "facturas")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9._-]+$')")
            .message("a queue's name has letters, digits, dots, hyphens and underscores")
    )]
    pub queue: String,
}

/// A queue of somebody else, and the Redis that keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedisQueue<Q> {
    /// The Redis that keeps the queue.
    pub redis: RedisServer,
    /// Which queue.
    #[serde(flatten)]
    pub queue: Q,
}

fn password() -> String {
    "password".to_owned()
}

fn facturas() -> String {
    "facturas".to_owned()
}
