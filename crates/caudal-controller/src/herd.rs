//! All `QueueScalers` of one namespace, or of all: each has a task of its own, so the trouble of one is nobody else's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::crd::QueueScaler;
use crate::news::News;
use crate::rival::Kind;
use crate::scaler::{Context, Scaler, is_ours};
use crate::surroundings::Surroundings;
use crate::watched::{self, Key, key};

/// How often the loop says that it lives.
const BEAT: Duration = Duration::from_secs(1);

/// The tasks, by namespace and name.
pub(crate) struct Herd {
    context: Arc<Context>,
    surroundings: Surroundings,
    members: HashMap<Key, Member>,
    /// Those of a list that is not complete yet.
    arriving: Vec<QueueScaler>,
    /// All that are known, also those that are not ours.
    known: HashSet<Key>,
    tasks: JoinSet<()>,
}

struct Member {
    object: watch::Sender<Arc<QueueScaler>>,
    _until_dropped: DropGuard,
}

impl Herd {
    pub(crate) fn new(context: Arc<Context>, surroundings: Surroundings) -> Self {
        let (members, known) = (HashMap::new(), HashSet::new());
        Self { context, surroundings, members, arriving: Vec::new(), known, tasks: JoinSet::new() }
    }

    /// Follows the resources, once their surroundings are known, until `shutdown`, and ends when the last task has. Drops `listing` once it knows them all.
    pub(crate) async fn run(mut self, scope: Option<String>, listing: mpsc::Sender<()>, shutdown: CancellationToken) {
        let client = self.context.client.clone();
        let api = watched::api_of::<DynamicObject>(client, scope.as_deref(), &Kind::QueueScaler.resource());
        let surroundings = self.surroundings.clone();
        let events = async move {
            surroundings.known().await;
            watched::events(api)
        };
        let mut events = events.flatten_stream().boxed();
        let mut listing = Some(listing);
        let (mut beat, mut failing) = (tokio::time::interval(BEAT), false);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = beat.tick() => self.context.probes.beat(),
                Some(ended) = self.tasks.join_next() => check(ended),
                Some(event) = events.next() => match event {
                    Ok(event) => {
                        let complete = matches!(event, watcher::Event::InitDone);
                        // Each attempt begins with one.
                        failing &= matches!(event, watcher::Event::Init);
                        self.take(event);
                        listing = listing.filter(|_| !complete);
                    }
                    Err(error) if !std::mem::replace(&mut failing, true) => {
                        warn!(%error, "cannot follow the QueueScalers; tries again");
                    }
                    Err(_) => {}
                },
            }
        }
        self.members.clear();
        while let Some(ended) = self.tasks.join_next().await {
            check(ended);
        }
    }

    fn take(&mut self, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Init => self.arriving.clear(),
            watcher::Event::InitApply(object) => {
                let object = self.read(object);
                self.arriving.extend(object);
            }
            watcher::Event::InitDone => self.take_all(),
            watcher::Event::Apply(object) => {
                if let Some(object) = self.read(object) {
                    self.apply(object);
                }
            }
            watcher::Event::Delete(object) => self.remove(&key(&object)),
        }
    }

    /// Nobody acts before all are known: the one that is older may be the last to come.
    fn take_all(&mut self) {
        let arrived = std::mem::take(&mut self.arriving);
        let listed: HashSet<Key> = arrived.iter().map(key).collect();
        let gone: Vec<Key> = self.known.iter().filter(|key| !listed.contains(*key)).cloned().collect();
        gone.iter().for_each(|key| self.remove(key));
        arrived.into_iter().for_each(|object| self.apply(object));
    }

    /// Reads an object, and makes it known to its rivals. One that cannot be read must not hide the others.
    fn read(&mut self, object: DynamicObject) -> Option<QueueScaler> {
        let (key, ours) = (key(&object), is_ours(&object, &self.context.release));
        let about = object.object_ref(&Kind::QueueScaler.resource());
        match object.try_parse::<QueueScaler>() {
            Ok(mut object) => {
                // Who wrote which field takes more room than the object.
                object.metadata.managed_fields = None;
                object.metadata.annotations = None;
                self.surroundings.rivals.meet(&object);
                self.known.insert(key);
                Some(object)
            }
            Err(error) => {
                warn!(queuescaler.namespace = %key.0, queuescaler.name = %key.1, %error, "cannot read a QueueScaler");
                self.remove(&key);
                if ours {
                    let (context, news) = (Arc::clone(&self.context), News::unreadable(&error));
                    self.tasks.spawn(async move { news.publish(&context.client, &context.reporter, &about).await });
                }
                None
            }
        }
    }

    fn apply(&mut self, object: QueueScaler) {
        let key = key(&object);
        let made_anew = self.members.get(&key).is_some_and(|member| member.object.borrow().uid() != object.uid());
        if made_anew || !is_ours(&object, &self.context.release) {
            self.members.remove(&key);
        }
        if !is_ours(&object, &self.context.release) {
            return;
        }
        let object = Arc::new(object);
        match self.members.get(&key) {
            Some(member) => {
                // Our own status comes back here too; only a change of what is wanted is news.
                member.object.send_if_modified(|known| {
                    let news = known.metadata.generation != object.metadata.generation
                        || known.metadata.labels != object.metadata.labels;
                    *known = Arc::clone(&object);
                    news
                });
            }
            None => self.start(key, object),
        }
    }

    fn start(&mut self, key: Key, object: Arc<QueueScaler>) {
        info!(queuescaler.namespace = %key.0, queuescaler.name = %key.1, "looks after a QueueScaler");
        let (sender, receiver) = watch::channel(object);
        let stop = CancellationToken::new();
        let scaler = Scaler::new(Arc::clone(&self.context), self.surroundings.clone(), receiver);
        self.tasks.spawn(scaler.run(stop.clone()));
        self.members.insert(key, Member { object: sender, _until_dropped: stop.drop_guard() });
    }

    fn remove(&mut self, key: &Key) {
        self.known.remove(key);
        self.surroundings.rivals.forget(key);
        self.members.remove(key);
    }
}

/// A panic goes on here: an object nobody looks after any more must not go unnoticed.
fn check(ended: Result<(), JoinError>) {
    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
}
