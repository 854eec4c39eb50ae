//! All `QueueScalers` of one namespace, or of all: each has a task of its own, so the trouble of one is nobody else's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use caudal_telemetry::ops::Probes;
use futures_util::{FutureExt, StreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::crd::QueueScaler;
use crate::rival::Known;
use crate::scaler::{Context, Scaler, is_ours};

/// How often the loop says that it lives.
const BEAT: Duration = Duration::from_secs(1);

type Key = (String, String);

/// The tasks, by namespace and name.
pub(crate) struct Herd {
    context: Arc<Context>,
    rivals: Known,
    members: HashMap<Key, Member>,
    /// Those seen in a list that is not complete yet.
    listed: HashSet<Key>,
    tasks: JoinSet<()>,
}

struct Member {
    object: watch::Sender<Arc<QueueScaler>>,
    stop: CancellationToken,
}

impl Herd {
    pub(crate) fn new(context: Arc<Context>, rivals: Known) -> Self {
        Self { context, rivals, members: HashMap::new(), listed: HashSet::new(), tasks: JoinSet::new() }
    }

    /// Follows the resources, once the rivals are known, until `shutdown`, and ends when the last task has. Drops `listing` once it knows them all.
    pub(crate) async fn run(
        mut self,
        scope: Option<String>,
        listing: mpsc::Sender<()>,
        probes: Probes,
        shutdown: CancellationToken,
    ) {
        let api: Api<QueueScaler> = match &scope {
            Some(namespace) => Api::namespaced(self.context.client.clone(), namespace),
            None => Api::all(self.context.client.clone()),
        };
        let rivals = self.rivals.clone();
        let events = async move {
            rivals.listed().await;
            watcher(api, watcher::Config::default()).default_backoff()
        };
        let mut events = events.flatten_stream().boxed();
        let mut listing = Some(listing);
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = beat.tick() => probes.beat(),
                Some(ended) = self.tasks.join_next() => check(ended),
                Some(event) = events.next() => match event {
                    Ok(event) => {
                        let complete = matches!(event, watcher::Event::InitDone);
                        self.take(event);
                        listing = listing.filter(|_| !complete);
                    }
                    Err(error) => warn!(%error, "cannot follow the QueueScalers"),
                },
            }
        }
        for member in self.members.values() {
            member.stop.cancel();
        }
        while let Some(ended) = self.tasks.join_next().await {
            check(ended);
        }
    }

    fn take(&mut self, event: watcher::Event<QueueScaler>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(object) => {
                self.listed.insert(key(&object));
                self.apply(object);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<Key> = self.members.keys().filter(|key| !listed.contains(*key)).cloned().collect();
                gone.iter().for_each(|key| self.remove(key));
            }
            watcher::Event::Apply(object) => self.apply(object),
            watcher::Event::Delete(object) => self.remove(&key(&object)),
        }
    }

    fn apply(&mut self, object: QueueScaler) {
        let key = key(&object);
        let made_anew = self.members.get(&key).is_some_and(|member| member.object.borrow().uid() != object.uid());
        if made_anew || !is_ours(&object, &self.context.release) {
            self.remove(&key);
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
        let scaler = Scaler::new(Arc::clone(&self.context), self.rivals.clone(), receiver);
        self.tasks.spawn(scaler.run(stop.clone()));
        self.members.insert(key, Member { object: sender, stop });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(member) = self.members.remove(key) {
            member.stop.cancel();
        }
    }
}

/// A panic goes on here: an object nobody looks after any more must not go unnoticed.
fn check(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn key(object: &QueueScaler) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}
