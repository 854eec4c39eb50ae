//! How a task sees its target and its queue: opened when first needed, and anew when the object names another or it went bad.

use std::sync::Arc;
use std::time::Duration;

use caudal_scaling::Load;
use kube::ResourceExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Context;
use crate::backoff::pause;
use crate::crd::{self, QueueScaler};
use crate::error::Error;
use crate::pods::Workers;
use crate::source::{Source, Unread, Wakes, no_wakes};
use crate::surroundings::Surroundings;
use crate::target::{Scale, Target};

/// How often a queue without workers is tidied up.
const TIDY: Duration = Duration::from_secs(600);

/// The target, once it is found.
#[derive(Default)]
pub(super) struct TargetEye {
    found: Option<Arc<Target>>,
    /// Told when others change its replicas, and when it comes or goes.
    pub(super) news: Arc<Notify>,
}

impl TargetEye {
    pub(super) async fn look(
        &mut self,
        context: &Context,
        surroundings: &Surroundings,
        object: &QueueScaler,
    ) -> Result<(Arc<Target>, Scale), Error> {
        let reference = &object.spec.scale_target_ref;
        let target = match self.found.take().filter(|target| target.is(reference)) {
            Some(target) => target,
            None => {
                let namespace = object.namespace().unwrap_or_default();
                let news = Arc::clone(&self.news);
                let found = Target::find(&context.client, surroundings, &namespace, reference.clone(), news);
                Arc::new(Box::pin(found).await?)
            }
        };
        let target = self.found.insert(target);
        let scale = target.scale().await?;
        Ok((Arc::clone(target), scale))
    }
}

/// The queue, once it is open.
pub(super) struct SourceEye {
    named: Option<crd::Source>,
    open: Option<Result<Source, Unread>>,
    /// When to open it anew.
    again: Option<Instant>,
    failures: u32,
    /// What a person should know about the last load.
    pub(super) note: Option<String>,
    /// Told when to look at once.
    pub(super) wakes: Wakes,
    tidied: Option<Instant>,
}

impl Default for SourceEye {
    fn default() -> Self {
        Self { named: None, open: None, again: None, failures: 0, note: None, wakes: no_wakes(), tidied: None }
    }
}

impl SourceEye {
    /// Whether the object names another queue than the one that was looked at.
    pub(super) fn sees_another(&self, object: &QueueScaler) -> bool {
        self.named.as_ref().is_some_and(|named| *named != object.spec.source)
    }

    pub(super) async fn look(&mut self, context: &Context, object: &QueueScaler) -> Result<Load, Unread> {
        if self.named.as_ref() != Some(&object.spec.source) {
            *self = Self { named: Some(object.spec.source.clone()), ..Self::default() };
        }
        let stale = self.again.take_if(|again| *again <= Instant::now()).is_some();
        let open = match self.open.take().filter(|_| !stale) {
            Some(open) => open,
            None => Box::pin(self.open(context, object)).await,
        };
        let load = match &open {
            Ok(source) => source.load().await,
            Err(unread) => Err(unread.clone()),
        };
        self.open = Some(open);
        let (load, note) = load.map_or_else(|unread| (Err(unread), None), |(load, note)| (Ok(load), note));
        self.note = note;
        self.judge(&load);
        load
    }

    async fn open(&mut self, context: &Context, object: &QueueScaler) -> Result<Source, Unread> {
        self.wakes = no_wakes();
        let opened = context.sources.open(&object.namespace().unwrap_or_default(), &object.spec.source).await;
        self.wakes = opened.as_ref().map_or_else(|_| no_wakes(), Source::wakes);
        opened
    }

    /// Where somebody must mend something, perhaps the password, that is read again: at times, for the API server is asked for it.
    fn judge(&mut self, load: &Result<Load, Unread>) {
        match load {
            Ok(_) => (self.failures, self.again) = (0, None),
            Err(Unread::InvalidSource(_)) => {}
            Err(Unread::SourceUnavailable(_)) if matches!(self.open, Some(Ok(_))) => {}
            Err(_) if self.again.is_some() => {}
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                self.again = Some(Instant::now() + pause(self.failures, fastrand::f64()));
            }
        }
    }

    /// The workers that have work; none where that cannot be told.
    pub(super) async fn busy_pods(&mut self) -> Result<Option<Workers>, Unread> {
        match &mut self.open {
            Some(Ok(source)) => source.busy_pods().await,
            Some(Err(_)) | None => Ok(None),
        }
    }

    /// Tidies the queue up from time to time; to be called while no worker is there to do it.
    pub(super) async fn tidy(&mut self) {
        let Some(Ok(source)) = &mut self.open else { return };
        if self.tidied.is_none_or(|at| at.elapsed() >= TIDY) && source.tidy().await {
            self.tidied = Some(Instant::now());
        }
    }
}
