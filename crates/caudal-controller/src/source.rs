//! The followed queue: opened from the resource, read as a load.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use caudal_queue::{Backlog, InvalidName, Name, Queue, Wake};
use caudal_scaling::Load;
use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tracing::debug;

use crate::crd;
use crate::error::Error;
use crate::pods::Workers;

/// Items say: look now.
pub(crate) type Wakes = Pin<Box<dyn Stream<Item = Wake> + Send>>;

/// Why a queue cannot be read. The texts hold no secrets.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// This program does not know how to.
    #[error(
        "the source {0} is part of the resource, but this version of Caudal cannot read it yet; it reads caudal and list"
    )]
    NotSupported(&'static str),
    /// The Secret or its key is not there, or may not be read.
    #[error("the Redis password: {0}")]
    Secret(String),
    /// Redis is away, starting or too slow.
    #[error("{0}")]
    Unavailable(String),
    /// Redis answers, but somebody must mend something.
    #[error("{0}")]
    Misconfigured(String),
}

impl Unread {
    /// The reason of a condition.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotSupported(_) => "SourceNotSupported",
            Self::Secret(_) => "SecretNotFound",
            Self::Unavailable(_) => "SourceUnavailable",
            Self::Misconfigured(_) => "SourceMisconfigured",
        }
    }
}

/// An open queue.
pub(crate) struct Source {
    kind: Kind,
    /// As the user wrote it, so without a password.
    url: String,
    server: Arc<caudal_redis::Client>,
}

enum Kind {
    Caudal(Queue),
    Foreign(caudal_source::Source),
}

impl Source {
    /// What there is to do now.
    pub(crate) async fn load(&self) -> Result<Load, Unread> {
        match &self.kind {
            Kind::Caudal(queue) => {
                queue.backlog().await.map(load).map_err(|error| self.unread(&error, error.is_unavailable()))
            }
            Kind::Foreign(source) => match source.observe(&self.server).await {
                Ok(work) => Ok(Load { backlog: work.total(), ..Load::default() }),
                Err(error) => Err(self.unread(&error, matches!(error, caudal_source::Error::Unavailable(_)))),
            },
        }
    }

    /// The names of the workers that have work; none where the queue cannot tell.
    pub(crate) async fn busy_pods(&self) -> Result<Option<Workers>, Unread> {
        match &self.kind {
            Kind::Caudal(queue) => {
                let known = queue.workers().await.map_err(|error| self.unread(&error, error.is_unavailable()))?;
                let busy = known.into_iter().filter(|worker| worker.chunks > 0);
                Ok(Some(busy.map(|worker| worker.name).collect()))
            }
            Kind::Foreign(_) => Ok(None),
        }
    }

    /// Removes what workers that died without a word have left on the queue's books.
    pub(crate) async fn tidy(&self) {
        if let Kind::Caudal(queue) = &self.kind
            && let Err(error) = queue.tidy().await
        {
            debug!(%error, "dead workers stay on the books of the queue at {}", self.url);
        }
    }

    /// Told when work arrives where there was none, as far as the queue tells.
    pub(crate) fn wakes(&self) -> Wakes {
        match &self.kind {
            Kind::Caudal(queue) => Box::pin(queue.wakes()),
            Kind::Foreign(_) => no_wakes(),
        }
    }

    /// The cause of an outage changes from moment to moment, so it goes to the log: a status written every second helps nobody.
    fn unread(&self, error: &dyn std::error::Error, unavailable: bool) -> Unread {
        let url = &self.url;
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        if unavailable {
            debug!(cause, "{error} at {url}");
            return Unread::Unavailable(format!("{error} at {url}"));
        }
        Unread::Misconfigured(format!("{error} at {url}: {cause}"))
    }
}

fn load(backlog: Backlog) -> Load {
    let chunks = backlog.waiting_chunks + backlog.in_flight_chunks;
    Load {
        backlog: backlog.invoices.saturating_sub(backlog.retry_invoices).max(chunks),
        busy: u32::try_from(backlog.busy_consumers).unwrap_or(u32::MAX),
        next_due: backlog.next_due,
        arrived: Some(backlog.invoices.saturating_add(backlog.settled)),
        finished: Some(backlog.settled),
    }
}

/// A queue that is not open wakes nobody.
pub(crate) fn no_wakes() -> Wakes {
    stream::pending().boxed()
}

/// Opens queues; those on one Redis with one login share a connection.
pub(crate) struct Sources {
    client: Client,
    servers: Mutex<HashMap<String, Weak<caudal_redis::Client>>>,
}

impl Sources {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, servers: Mutex::default() }
    }

    /// Opens the queue that an object of this namespace names. Connects nothing yet.
    pub(crate) async fn open(&self, namespace: &str, source: &crd::Source) -> Result<Source, Unread> {
        let crd::Source { caudal, list, stream, sorted_set, celery: _ } = source;
        let (redis, server, kind) = if let Some(crd::CaudalQueue { redis, queue }) = caudal {
            let queue: Name = queue
                .parse()
                .map_err(|error: InvalidName| Unread::Misconfigured(format!("a queue's name is {error}")))?;
            let server = self.server(namespace, redis).await?;
            let queue = Queue::new(&server, &caudal_queue::Options { queue });
            (redis, server, Kind::Caudal(queue))
        } else if let Some(crd::RedisList { redis, keys, processing_keys }) = list {
            let list = caudal_source::List { keys: keys.clone(), processing: processing_keys.clone() };
            (redis, self.server(namespace, redis).await?, Kind::Foreign(caudal_source::Source::List(list)))
        } else {
            let name = if stream.is_some() {
                "stream"
            } else if sorted_set.is_some() {
                "sortedSet"
            } else {
                "celery"
            };
            return Err(Unread::NotSupported(name));
        };
        Ok(Source { kind, url: redis.url.clone(), server })
    }

    async fn server(&self, namespace: &str, redis: &crd::RedisServer) -> Result<Arc<caudal_redis::Client>, Unread> {
        let url = match &redis.password_secret {
            Some(secret) => with_password(&redis.url, &self.password(namespace, secret).await?),
            None => redis.url.clone(),
        };
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|_, server| server.strong_count() > 0);
        if let Some(server) = servers.get(&url).and_then(Weak::upgrade) {
            return Ok(server);
        }
        let options = caudal_redis::Options { redis_url: url.clone().into() };
        let server = caudal_redis::Client::new(&options)
            .map_err(|error| Unread::Misconfigured(format!("a queue's name is {error}")))?;
        let server = Arc::new(server);
        servers.insert(url, Arc::downgrade(&server));
        Ok(server)
    }

    async fn password(&self, namespace: &str, secret: &crd::SecretKey) -> Result<Vec<u8>, Unread> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("Secret/{}", secret.name);
        let found =
            Error::of(&what, secrets.get(&secret.name)).await.map_err(|error| Unread::Secret(error.to_string()))?;
        let value = found.data.and_then(|mut data| data.remove(&secret.key));
        value.map(|value| value.0).ok_or_else(|| Unread::Secret(format!("{what} has no key {}", secret.key)))
    }
}

fn with_password(url: &str, password: &[u8]) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (user, place) = rest.split_once('@').unwrap_or(("", rest));
    let password: String = password.iter().map(|byte| format!("%{byte:02X}")).collect();
    format!("{scheme}://{user}:{password}@{place}")
}
