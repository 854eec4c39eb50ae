//! One `QueueScaler` and the task that looks after it: observe, plan, apply, tell.

mod act;
mod eyes;
mod tell;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use caudal_queue::Wake;
use caudal_scaling::History;
use caudal_telemetry::ops::Probes;
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt};
use kube::runtime::events::Reporter;
use kube::{Client, ResourceExt};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::backoff::pause;
use crate::crd::QueueScaler;
use crate::error::Error;
use crate::lease::{Leadership, Leases};
use crate::metrics::{Metrics, Row};
use crate::source::Sources;
use crate::surroundings::Surroundings;
use crate::target::MANAGER;
use eyes::{SourceEye, TargetEye};
use tell::Teller;

/// How often every queue is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long to gather after a wake, so that one burst is one decision.
const GATHER: Duration = Duration::from_millis(20);
/// How often to decide anew at once when the target changed between look and write.
const ATTEMPTS: u32 = 5;

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
    pub(crate) metrics: Metrics,
    pub(crate) probes: Probes,
    /// The ticks of all count from here: what they ask of one Redis at the same moment goes together.
    pub(crate) begun: Instant,
    /// How many may tell at a time: what is told never takes the way of what is scaled.
    pub(crate) telling: Semaphore,
}

/// Whether the controller of this release may have to do with the object at all: it is labelled with its name, or not labelled.
pub(crate) fn is_ours(object: &impl ResourceExt, release: &str) -> bool {
    object.labels().get(RELEASE_LABEL).is_none_or(|label| label == release)
}

/// The task's memory. What is rarely done is boxed, here and in what it calls: there are a thousand tasks.
pub(crate) struct Scaler {
    context: Arc<Context>,
    surroundings: Surroundings,
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
    /// What the queue said when it woke this turn, or one before that could not be brought to its end.
    wake: Option<Wake>,
    /// When something comes about that is known beforehand: an override ends, a retry is due.
    appointment: Option<DateTime<Utc>>,
    teller: Teller,
    row: Arc<Row>,
    /// How many turns have failed in a row.
    failures: u32,
}

impl Scaler {
    pub(crate) fn new(
        context: Arc<Context>,
        surroundings: Surroundings,
        object: watch::Receiver<Arc<QueueScaler>>,
    ) -> Box<Self> {
        let row = context.metrics.row(&**object.borrow());
        Box::new(Self {
            lease: context.release_lease.clone(),
            teller: Teller::new(Arc::clone(&context)),
            row,
            context,
            surroundings,
            object,
            target: TargetEye::default(),
            source: SourceEye::default(),
            history: History::default(),
            unread_since: None,
            read_once: false,
            expected: None,
            hand: None,
            wake: None,
            appointment: None,
            failures: 0,
        })
    }

    /// Looks at every tick, at every wake and whenever the object or its target change, until `stop`; after failures less often, so
    /// a lasting one costs little.
    pub(crate) async fn run(mut self: Box<Self>, stop: CancellationToken) {
        loop {
            let passed = tokio::select! {
                () = stop.cancelled() => break,
                passed = self.pass() => passed,
            };
            self.count(passed);
            let next = self.next_turn(Instant::now(), Utc::now());
            tokio::select! {
                () = stop.cancelled() => break,
                goes_on = self.rest(next) => if !goes_on { break },
            }
        }
        self.row.hide();
        self.teller.finish().await;
    }

    /// Until it is time for another turn. Answers whether there is anything to look after any more.
    async fn rest(&mut self, next: Instant) -> bool {
        loop {
            tokio::select! {
                () = self.lease.gained(), if !self.lease.may_act() => return true,
                changed = self.object.changed() => return changed.is_ok(),
                () = self.target.news.notified() => return true,
                () = sleep_until(next) => return true,
                Some(wake) = self.source.wakes.next(), if self.failures == 0 => {
                    self.gather(wake).await;
                    return true;
                }
                () = self.teller.progress() => {}
            }
        }
    }

    /// The next tick, or what comes about before it; after failures a pause.
    fn next_turn(&self, now: Instant, time: DateTime<Utc>) -> Instant {
        if self.failures > 0 {
            return now + pause(self.failures, fastrand::f64());
        }
        let begun = self.context.begun;
        let ticks = now.duration_since(begun).as_millis() / TICK.as_millis() + 1;
        let tick = begun + TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
        let appointment = self.appointment.map(|at| now + at.signed_duration_since(time).to_std().unwrap_or_default());
        appointment.map_or(tick, |appointment| tick.min(appointment))
    }

    fn count(&mut self, passed: Result<(), Error>) {
        let Err(error) = passed else {
            (self.failures, self.wake) = (0, None);
            return;
        };
        if self.failures == 0 {
            let object = self.object.borrow();
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            warn!(queuescaler.namespace = %namespace, queuescaler.name = %name, %error, "cannot scale; tries again");
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// What the first wake of a burst tells stands for all.
    async fn gather(&mut self, first: Wake) {
        self.wake = Some(first);
        sleep(GATHER).await;
        while let Some(Some(wake)) = self.source.wakes.next().now_or_never() {
            self.wake = self.wake.take().filter(|first| first.at.is_some()).or(Some(wake));
        }
    }

    async fn pass(&mut self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let object = Arc::clone(&self.object.borrow_and_update());
            self.lease = self.lease_of(&object);
            if !self.lease.may_act() {
                self.teller.rest();
                (self.expected, self.appointment) = (None, None);
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
        // By the object's namespace, for another release of this name may look after it too.
        let name = object.labels().get(RELEASE_LABEL).map_or(MANAGER, String::as_str);
        leases.stand(&object.namespace().unwrap_or_default(), name, Some(release_lease))
    }
}
