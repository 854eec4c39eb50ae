//! A record of a Deployment's replicas, kept by a watch.

use std::pin::pin;

use futures_util::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::world::{SOON, World};

/// What one Deployment has had since this was made, while it lives.
pub(crate) struct Record(watch::Receiver<Vec<Entry>>);

/// Replicas, from the moment when they were seen first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Instant,
    pub(crate) replicas: i32,
    /// Counts what was written to the Deployment.
    pub(crate) generation: i64,
}

impl Record {
    pub(crate) fn of(world: &World, name: &str) -> Self {
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let objects = watcher(world.deployments(), only).default_backoff().applied_objects();
        let (sender, receiver) = watch::channel(Vec::<Entry>::new());
        tokio::spawn(async move {
            let mut objects = pin!(objects);
            while let Some(object) = objects.next().await
                && !sender.is_closed()
            {
                let Ok(object) = object else { continue };
                let replicas = object.spec.and_then(|spec| spec.replicas).unwrap_or(1);
                let entry = Entry { at: Instant::now(), replicas, generation: object.metadata.generation.unwrap() };
                sender.send_if_modified(|entries| {
                    let new = entries.last().is_none_or(|last| last.generation != entry.generation);
                    entries.extend(new.then_some(entry));
                    new
                });
            }
        });
        Self(receiver)
    }

    /// Everything so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.borrow().clone()
    }

    /// The entry that is the last once it is so.
    pub(crate) async fn until(&mut self, replicas: i32) -> Entry {
        let so = |entries: &Vec<Entry>| entries.last().is_some_and(|last| last.replicas == replicas);
        let seen = timeout(SOON, self.0.wait_for(so)).await.ok().map(|entries| *entries.unwrap().last().unwrap());
        seen.unwrap_or_else(|| panic!("not {replicas} replicas within {SOON:?}: {:?}", self.entries()))
    }
}
