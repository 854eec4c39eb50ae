//! The followed queue: opened from the resource, read as a load.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};

use caudal_queue::{Backlog, InvalidName, Name, Queue, Wake};
use caudal_scaling::Load;
use caudal_source::{Asker, Work};
use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use strum_macros::IntoStaticStr;
use tracing::debug;
use uuid::Uuid;

use crate::crd::{self, RedisQueue};
use crate::error::Error;
use crate::pods::Workers;
use crate::watched::locked;

/// How a user writes where a Redis is.
const WANTED: &str = "redis://[USER@]HOST[:PORT][/DATABASE], or rediss:// for TLS";

/// Items say: look now.
pub(crate) type Wakes = Pin<Box<dyn Stream<Item = Wake> + Send>>;

/// Why a queue cannot be read: the names are the reasons of conditions. The texts hold no secrets.
#[derive(Clone, Debug, thiserror::Error, IntoStaticStr)]
pub(crate) enum Unread {
    /// Only a change of the object can mend it.
    #[error("{0}")]
    InvalidSource(String),
    /// The Secret or its key is not there, or may not be read.
    #[error("the Redis password: {0}")]
    SecretNotFound(String),
    /// Redis is away, starting or too slow.
    #[error("{0}")]
    SourceUnavailable(String),
    /// Redis answers, but somebody must mend something.
    #[error("{0}")]
    SourceMisconfigured(String),
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
    /// What there is to do now, and what a person should know about that.
    pub(crate) async fn load(&self) -> Result<(Load, Option<String>), Unread> {
        match &self.kind {
            Kind::Caudal(queue) => {
                let backlog = queue.backlog().await.map_err(|error| self.unread(&error, error.is_unavailable()))?;
                Ok((load(backlog), None))
            }
            Kind::Foreign(source) => {
                let work = self.observe(source).await?;
                Ok((foreign_load(&work), work.note))
            }
        }
    }

    async fn observe(&self, source: &caudal_source::Source) -> Result<Work, Unread> {
        source.observe(&self.server).await.map_err(|error| self.unread(&error, error.is_unavailable()))
    }

    /// The names of the workers that have work; none where the queue cannot tell.
    pub(crate) async fn busy_pods(&self) -> Result<Option<Workers>, Unread> {
        match &self.kind {
            Kind::Caudal(queue) => {
                let known = queue.workers().await.map_err(|error| self.unread(&error, error.is_unavailable()))?;
                let busy = known.into_iter().filter(|worker| worker.chunks > 0);
                Ok(Some(busy.map(|worker| worker.name).collect()))
            }
            Kind::Foreign(source) => Ok(self.observe(source).await?.workers),
        }
    }

    /// Removes what workers that died without a word have left on the queue's books; false where Redis did not do it.
    pub(crate) async fn tidy(&self) -> bool {
        let Kind::Caudal(queue) = &self.kind else { return true };
        let done = queue.tidy().await;
        done.inspect_err(|error| debug!(%error, "dead workers stay on the books of the queue at {}", self.url)).is_ok()
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
        let Some(cause) = error.source() else {
            let message = format!("{error} (Redis at {url})");
            return if unavailable { Unread::SourceUnavailable(message) } else { Unread::SourceMisconfigured(message) };
        };
        if unavailable {
            debug!(%cause, "{error} at {url}");
            return Unread::SourceUnavailable(format!("{error} at {url}{}", caudal_redis::advice(cause)));
        }
        Unread::SourceMisconfigured(format!("{error} at {url}: {cause}"))
    }
}

fn foreign_load(work: &Work) -> Load {
    Load {
        backlog: work.total(),
        busy: u32::try_from(work.busy).unwrap_or(u32::MAX),
        next_due: work.next_due,
        arrived: work.arrived,
        finished: None,
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
        if let Some(crd::CaudalQueue { redis, queue }) = &source.caudal {
            let queue: Name = queue
                .parse()
                .map_err(|error: InvalidName| Unread::InvalidSource(format!("a queue's name is {error}")))?;
            let server = self.server(namespace, redis).await?;
            let queue = Queue::new(&server, &caudal_queue::Options { queue });
            return Ok(Source { kind: Kind::Caudal(queue), url: redis.url.clone(), server });
        }
        let Some((redis, foreign)) = foreign(source) else {
            return Err(Unread::InvalidSource("spec.source names no queue".to_owned()));
        };
        let server = self.server(namespace, redis).await?;
        Ok(Source { kind: Kind::Foreign(foreign), url: redis.url.clone(), server })
    }

    async fn server(&self, namespace: &str, redis: &crd::RedisServer) -> Result<Arc<caudal_redis::Client>, Unread> {
        let url = match &redis.password_secret {
            Some(secret) => with_password(&redis.url, &self.password(namespace, secret).await?),
            None => redis.url.clone(),
        };
        let mut servers = locked(&self.servers);
        servers.retain(|_, server| server.strong_count() > 0);
        if let Some(server) = servers.get(&url).and_then(Weak::upgrade) {
            return Ok(server);
        }
        let options = caudal_redis::Options { redis_url: url.clone().into() };
        let server = caudal_redis::Client::new(&options)
            .map_err(|_| Unread::InvalidSource(format!("{} is no address of a Redis: write {WANTED}", redis.url)))?;
        let server = Arc::new(server);
        servers.insert(url, Arc::downgrade(&server));
        Ok(server)
    }

    async fn password(&self, namespace: &str, secret: &crd::SecretKey) -> Result<Vec<u8>, Unread> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("Secret/{}", secret.name);
        let found = Error::of(&what, secrets.get(&secret.name)).await.map_err(|error| match error {
            Error::Unavailable { .. } => Unread::SourceUnavailable(format!("the Redis password: {error}")),
            _ => Unread::SecretNotFound(format!(
                "{error}: create it, or let the controller read it: controller.secretNames"
            )),
        })?;
        let value = found.data.and_then(|mut data| data.remove(&secret.key));
        value.map(|value| value.0).ok_or_else(|| Unread::SecretNotFound(format!("{what} has no key {}", secret.key)))
    }
}

/// A queue that is not Caudal's, and its Redis.
fn foreign(source: &crd::Source) -> Option<(&crd::RedisServer, caudal_source::Source)> {
    use caudal_source::Source;
    let crd::Source { caudal: _, list, stream, sorted_set, celery } = source;
    let list = list.as_ref().map(|RedisQueue { redis, queue }| (redis, Source::List(queue.clone())));
    let stream = stream.as_ref().map(|RedisQueue { redis, queue }| (redis, Source::Stream(queue.clone())));
    let set = sorted_set.as_ref().map(|RedisQueue { redis, queue }| (redis, Source::SortedSet(queue.clone())));
    let asker = || Asker::new(format!("caudal.{}", Uuid::new_v4()));
    let celery =
        celery.as_ref().map(|found| (&found.redis, Source::Celery { queues: found.queue.clone(), asker: asker() }));
    list.or(stream).or(set).or(celery)
}

fn with_password(url: &str, password: &[u8]) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (user, place) = rest.split_once('@').unwrap_or(("", rest));
    let password: String = password.iter().map(|byte| format!("%{byte:02X}")).collect();
    format!("{scheme}://{user}:{password}@{place}")
}
