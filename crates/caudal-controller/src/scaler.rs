//! One `QueueScaler` and the task that looks after it: observe, plan, apply, tell.

mod act;
mod eyes;

use std::sync::Arc;
use std::time::Duration;

use caudal_scaling::History;
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt};
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::crd::{QueueScaler, QueueScalerStatus};
use crate::error::Error;
use crate::lease::{Leadership, Leases};
use crate::rival::Known;
use crate::source::Sources;
use crate::target::MANAGER;
use eyes::{SourceEye, TargetEye};

/// How often every queue is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long to gather after a wake, so that one burst is one decision.
const GATHER: Duration = Duration::from_millis(20);
/// How often to decide anew at once when the target changed between look and write.
const ATTEMPTS: u32 = 5;
/// After a failure: twice the tick, doubled up to this many times.
const DOUBLINGS: u32 = 4;

/// The label that names the release whose controller looks after an object.
const RELEASE_LABEL: &str = "caudal.dev/controller";

/// What all tasks of one controller have in common.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) release: String,
    pub(crate) leases: Leases,
    pub(crate) release_lease: Leadership,
    pub(crate) sources: Sources,
    pub(crate) reporter: Reporter,
}

/// Whether the controller of this release may have to do with the object at all: it is labelled with its name, or not labelled.
pub(crate) fn is_ours(object: &QueueScaler, release: &str) -> bool {
    object.labels().get(RELEASE_LABEL).is_none_or(|label| label == release)
}

/// The task's memory.
pub(crate) struct Scaler {
    context: Arc<Context>,
    rivals: Known,
    object: watch::Receiver<Arc<QueueScaler>>,
    /// What makes this process the one writer for the object.
    lease: Leadership,
    target: TargetEye,
    source: SourceEye,
    history: History,
    unread_since: Option<DateTime<Utc>>,
    read_once: bool,
    /// The replicas after the last look; when others are found, somebody else has set them.
    expected: Option<u32>,
    /// Who has set other replicas than expected, and how many.
    hand: Option<(String, u32)>,
    /// The status as last written; none until it is taken from the object.
    status: Option<QueueScalerStatus>,
}

impl Scaler {
    pub(crate) fn new(context: Arc<Context>, rivals: Known, object: watch::Receiver<Arc<QueueScaler>>) -> Self {
        Self {
            lease: context.release_lease.clone(),
            context,
            rivals,
            object,
            target: TargetEye::default(),
            source: SourceEye::default(),
            history: History::default(),
            unread_since: None,
            read_once: false,
            expected: None,
            hand: None,
            status: None,
        }
    }

    /// Looks once a second and at every wake until `stop`; after failures less often, so a lasting one costs little.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let started = Instant::now();
            let passed = tokio::select! {
                () = stop.cancelled() => return,
                passed = self.pass() => passed,
            };
            failures = self.count(failures, passed);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.lease.gained(), if !self.lease.may_act() => {}
                changed = self.object.changed() => if changed.is_err() { return },
                () = sleep_until(started + TICK * (1 << failures.min(DOUBLINGS))) => {}
                Some(()) = self.source.wakes.next(), if failures == 0 => self.gather().await,
            }
        }
    }

    fn count(&self, failures: u32, passed: Result<(), Error>) -> u32 {
        let Err(error) = passed else { return 0 };
        if failures == 0 {
            let object = self.object.borrow();
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            warn!(queuescaler.namespace = %namespace, queuescaler.name = %name, %error, "cannot scale; tries again");
        }
        failures.saturating_add(1)
    }

    async fn gather(&mut self) {
        sleep(GATHER).await;
        while let Some(Some(())) = self.source.wakes.next().now_or_never() {}
    }

    async fn pass(&mut self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let object = Arc::clone(&self.object.borrow_and_update());
            self.lease = self.lease_of(&object);
            if !self.lease.may_act() {
                self.status = None;
                self.expected = None;
                return Ok(());
            }
            match self.turn(&object).await {
                Err(Error::Conflict(_)) => {}
                other => return other,
            }
        }
        Err(Error::Conflict("the target, again and again,".to_owned()))
    }

    /// The Lease whose holder is the one writer for the object.
    fn lease_of(&self, object: &QueueScaler) -> Leadership {
        let Context { leases, release_lease, .. } = &*self.context;
        if object.labels().contains_key(RELEASE_LABEL) {
            return release_lease.clone();
        }
        leases.stand(&object.namespace().unwrap_or_default(), MANAGER, Some(release_lease))
    }
}
