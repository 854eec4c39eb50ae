//! Leadership by `coordination.k8s.io` Leases: one writer at a time.
//!
//! A Lease stands for 3 s. Its holder renews it twice a second and acts only until 2 s after it asked for the last renewal that was
//! confirmed, by its own monotonic clock. A candidate takes the Lease when it is free, or when it saw it unchanged for 3 s by its own
//! clock; the times written in it are for people, so clocks need not agree.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::watched::locked;

const STANDS: Duration = Duration::from_secs(3);
const ACTS: Duration = Duration::from_secs(2);
const PERIOD: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(1);

/// After a refusal, which somebody has to mend.
const REFUSED: Duration = Duration::from_secs(5);

/// Whether this process leads, at this moment. Cheap to clone; with the last clone the Lease is given back.
#[derive(Clone, Debug)]
pub(crate) struct Leadership(Arc<watch::Receiver<Option<Instant>>>);

/// A leadership that somebody else may keep.
pub(crate) type Standing = Weak<watch::Receiver<Option<Instant>>>;

impl Leadership {
    pub(crate) fn of(standing: &Standing) -> Option<Self> {
        standing.upgrade().map(Self)
    }

    /// Whether this process may act now.
    pub(crate) fn may_act(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Does something for which this process has to lead. What is still under way when the leadership may have gone to another must
    /// not go through: then it is `Unavailable`.
    pub(crate) async fn hold<T>(&self, what: &str, action: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut action = pin!(action);
        loop {
            let until = self.0.borrow().unwrap_or_else(Instant::now);
            match timeout_at(until, &mut action).await {
                Ok(done) => return done,
                Err(_) if self.may_act() => {}
                Err(_) => return Err(Error::Unavailable { what: what.to_owned(), source: None }),
            }
        }
    }

    /// Returns as soon as this process may act.
    pub(crate) async fn gained(&self) {
        let ended =
            (*self.0).clone().wait_for(|until| until.is_some_and(|until| Instant::now() < until)).await.is_err();
        if ended {
            std::future::pending::<()>().await;
        }
    }
}

/// All Leases this process holds or stands by for, each made when it is first asked for.
pub(crate) struct Leases {
    client: Client,
    identity: String,
    /// The namespace of the owner, and the owner, of the Leases held there.
    owner: Option<(String, OwnerReference)>,
    metrics: Metrics,
    shutdown: CancellationToken,
    electors: TaskTracker,
    known: Mutex<HashMap<(String, String), Standing>>,
}

impl Leases {
    /// `identity` must be this process' alone. In the namespace of its `owner` the Leases that it holds go with that.
    pub(crate) fn new(
        client: Client,
        identity: String,
        owner: Option<(String, OwnerReference)>,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self { client, identity, owner, metrics, shutdown, electors: TaskTracker::new(), known: Mutex::default() }
    }

    /// Stands for a Lease from now on; where `behind` is given, takes it only while leading there, and watches it until then.
    pub(crate) fn stand(&self, namespace: &str, name: &str, behind: Option<&Leadership>) -> Leadership {
        let mut known = locked(&self.known);
        known.retain(|_, standing| standing.strong_count() > 0);
        let standing = known.entry((namespace.to_owned(), name.to_owned())).or_default();
        Leadership::of(standing).unwrap_or_else(|| {
            let leadership = self.elect(namespace, name, behind.cloned());
            *standing = Arc::downgrade(&leadership.0);
            self.metrics.stands(namespace, name, standing.clone());
            leadership
        })
    }

    /// After the shutdown: waits until all Leases are given back.
    pub(crate) async fn finished(&self) {
        self.electors.close();
        self.electors.wait().await;
    }

    fn elect(&self, namespace: &str, name: &str, behind: Option<Leadership>) -> Leadership {
        let (until, leadership) = watch::channel(None);
        let elector = Elector {
            leases: Api::namespaced(self.client.clone(), namespace),
            name: name.to_owned(),
            identity: self.identity.clone(),
            owner: self.owner.clone().filter(|(home, _)| home == namespace).map(|(_, owner)| owner),
            behind,
            until,
            held: None,
            seen: None,
            failing: false,
        };
        self.electors.spawn(elector.run(self.shutdown.clone()));
        Leadership(Arc::new(leadership))
    }
}

struct Elector {
    leases: Api<Lease>,
    name: String,
    identity: String,
    owner: Option<OwnerReference>,
    behind: Option<Leadership>,
    until: watch::Sender<Option<Instant>>,
    /// Our own Lease as last confirmed.
    held: Option<Lease>,
    /// The version of another's Lease, none once it vanished, and since when that has been seen.
    seen: Option<(Option<String>, Instant)>,
    /// Whether the last step failed: a failure that lasts is logged once.
    failing: bool,
}

impl Elector {
    async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let asked = Instant::now();
            let stepped = timeout(ANSWER, self.step()).await;
            let refused = matches!(&stepped, Ok(Err(kube::Error::Api(status))) if status.code == 403);
            match stepped {
                Ok(Ok(leads)) => self.tell(leads.then_some(asked + ACTS)),
                Ok(Err(error)) => self.failed(&error),
                Err(slow) => self.failed(&slow),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.until.closed() => break,
                () = tokio::time::sleep(if refused { REFUSED } else { PERIOD }) => {}
            }
        }
        self.tell(None);
        self.give_back().await;
    }

    fn failed(&mut self, error: &dyn std::error::Error) {
        self.held = None;
        if !std::mem::replace(&mut self.failing, true) {
            warn!(lease.name = %self.name, error = %error, "could not ask for the Lease; tries again");
        }
    }

    fn tell(&mut self, until: Option<Instant>) {
        self.failing = false;
        let before = self.until.send_replace(until);
        match (before, until) {
            (None, Some(_)) => info!(lease.name = %self.name, "leads from now on"),
            (Some(_), None) => info!(lease.name = %self.name, "leads no longer"),
            _ => {}
        }
    }

    /// Renews or takes the Lease if it can be had. Answers whether it is ours.
    async fn step(&mut self) -> kube::Result<bool> {
        let found = match self.held.take() {
            Some(held) => Some(held),
            None => self.leases.get_opt(&self.name).await?,
        };
        if !self.may_take(found.as_ref()) {
            return Ok(false);
        }
        let wanted = self.claim(found);
        if self.behind.as_ref().is_some_and(|behind| !behind.may_act()) {
            return Ok(false);
        }
        let asked = match wanted.metadata.resource_version {
            None => self.leases.create(&PostParams::default(), &wanted).await,
            Some(_) => self.leases.replace(&self.name, &PostParams::default(), &wanted).await,
        };
        match asked {
            Ok(lease) => {
                self.held = Some(lease);
                self.seen = None;
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One that vanished stands as long as one that is there: its holder may act until then.
    fn may_take(&mut self, lease: Option<&Lease>) -> bool {
        let holder = lease.and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref()).unwrap_or_default();
        let free = if lease.is_some() { ["", &*self.identity].contains(&holder) } else { self.seen.is_none() };
        if free {
            return true;
        }
        let version = lease.and_then(|lease| lease.metadata.resource_version.as_ref());
        match &self.seen {
            Some((seen, since)) if seen.as_ref() == version => since.elapsed() >= STANDS,
            _ => {
                self.seen = Some((version.cloned(), Instant::now()));
                false
            }
        }
    }

    /// The Lease as it should be, made from the one that was found: the API server refuses it if that changed meanwhile.
    fn claim(&self, found: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = found.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        lease.metadata.owner_references = self.owner.clone().map(|owner| vec![owner]);
        let before = lease.spec.take().unwrap_or_default();
        let ours = before.holder_identity.as_deref() == Some(self.identity.as_str());
        lease.spec = Some(LeaseSpec {
            acquire_time: if ours { before.acquire_time } else { Some(now.clone()) },
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(STANDS.as_secs()).ok(),
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!ours)),
            renew_time: Some(now),
            ..LeaseSpec::default()
        });
        lease
    }

    /// Frees the Lease so that a stand-by takes it at once.
    async fn give_back(&mut self) {
        let Some(mut lease) = self.held.take() else { return };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        let freed = timeout(ANSWER, self.leases.replace(&self.name, &PostParams::default(), &lease)).await;
        if !matches!(freed, Ok(Ok(_))) {
            warn!(lease.name = %self.name, "could not give the Lease back; it runs out by itself");
        }
    }
}
