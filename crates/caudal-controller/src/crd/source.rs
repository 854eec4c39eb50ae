//! The queues a `QueueScaler` can follow.

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
    pub list: Option<RedisList>,
    /// A Redis stream with a consumer group: counts entries that wait or are pending, asked for once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<RedisStream>,
    /// A Redis sorted set: counts members, asked for once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sorted_set: Option<RedisSortedSet>,
    /// Celery with its Redis broker: counts tasks that wait, are fetched or run, asked for once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celery: Option<CeleryQueues>,
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

/// One or several lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisList {
    /// The Redis that keeps them.
    pub redis: RedisServer,
    /// The lists' keys; what they hold is added up.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 512)))]
    pub keys: Vec<String>,
    /// The lists that workers move entries to while they work on them (LMOVE). Without them, popped work cannot be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub processing_keys: Vec<String>,
}

/// A stream and its consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisStream {
    /// The Redis that keeps it.
    pub redis: RedisServer,
    /// The stream's key.
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// The consumer group. While it is missing and the stream holds entries, one worker is asked for, which is to make it.
    #[schemars(length(min = 1, max = 512))]
    pub group: String,
}

/// A sorted set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisSortedSet {
    /// The Redis that keeps it.
    pub redis: RedisServer,
    /// The sorted set's key.
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// What the scores mean, when they are times: then only members whose time has come count. Without it all members count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_by: Option<DueBy>,
}

/// What the scores mean, when they are times: then only members whose time has come count. Without it all members count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DueBy {
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
}

/// Queues of Celery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CeleryQueues {
    /// The Redis that is the broker.
    pub redis: RedisServer,
    /// The queues; what they hold is added up.
    #[serde(default = "celery")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 512)))]
    pub queues: Vec<String>,
    /// The broker's `priority_steps`.
    #[serde(default = "priority_steps")]
    #[schemars(length(min = 1, max = 10), inner(range(max = 255)))]
    pub priority_steps: Vec<u32>,
    /// The broker's `global_keyprefix`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub global_key_prefix: String,
    /// Whether the tasks run with `task_acks_late`: then the broker shows which run. Otherwise the workers are asked over remote control,
    /// and while one is silent the replicas stay as they are.
    #[serde(default)]
    pub acks_late: bool,
}

fn password() -> String {
    "password".to_owned()
}

fn facturas() -> String {
    "facturas".to_owned()
}

fn celery() -> Vec<String> {
    vec!["celery".to_owned()]
}

fn priority_steps() -> Vec<u32> {
    vec![0, 3, 6, 9]
}
