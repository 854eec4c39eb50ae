//! The spans of a turn that wrote, or with which failures begin: observe, plan, apply. Told when it is over, for most turns are worth none.

use caudal_queue::Wake;
use caudal_scaling::{Decision, Load};
use caudal_telemetry::trace::{Past, tell};
use chrono::{DateTime, Utc};
use kube::ResourceExt;

use crate::crd::QueueScaler;
use crate::error::Error;
use crate::source::Unread;
use crate::target::{Scale, title};
use crate::verdict::Verdict;

/// What a turn saw, and when.
pub(super) struct Turn<'a> {
    pub(super) object: &'a QueueScaler,
    pub(super) load: &'a Result<Load, Unread>,
    pub(super) begun: DateTime<Utc>,
    pub(super) observed: DateTime<Utc>,
}

/// What a turn came to, and when.
pub(super) struct Planned {
    pub(super) scale: Scale,
    pub(super) decision: Decision,
    pub(super) verdict: Verdict,
    pub(super) at: DateTime<Utc>,
}

impl Turn<'_> {
    /// Tells the turn, which is over now, and what it was woken by. Without a plan it failed at its look, else at its write, if it failed.
    pub(super) fn tell(&self, planned: Option<&Planned>, failure: Option<&Error>, wake: Option<&Wake>) {
        let (now, failure) = (Utc::now(), failure.map(Error::to_string));
        let observe = Past::new("observe", self.begun, self.observed, self.observation());
        let parts = match planned {
            None => vec![Past { failure: failure.clone(), ..observe }],
            Some(planned) => {
                let plan = Past::new("plan", self.observed, planned.at, planned.reasons());
                let apply = Past::new("apply", planned.at, now, planned.change());
                vec![observe, plan, Past { failure: failure.clone(), ..apply }]
            }
        };
        let about = vec![
            ("k8s.namespace.name", self.object.namespace().unwrap_or_default()),
            ("caudal.queuescaler", self.object.name_any()),
            ("caudal.target", title(&self.object.spec.scale_target_ref)),
        ];
        let whole = Past { failure, ..Past::new("scale", self.begun, now, about) };
        tell(whole, parts, wake.and_then(|wake| wake.traceparent.as_deref()));
    }

    fn observation(&self) -> Vec<(&'static str, String)> {
        match self.load {
            Ok(load) => vec![("caudal.backlog", load.backlog.to_string()), ("caudal.busy", load.busy.to_string())],
            Err(unread) => vec![("caudal.unread", unread.to_string())],
        }
    }
}

impl Planned {
    /// The way from what the load asks for to what is asked for, with each that had a say in it.
    fn reasons(&self) -> Vec<(&'static str, String)> {
        let Self { decision, verdict, .. } = self;
        let known = [
            ("caudal.hold", decision.hold.map(|hold| hold.to_string())),
            ("caudal.planned", Some(decision.replicas.to_string())),
            ("caudal.authority", Some(<&str>::from(verdict.authority).to_owned())),
            ("caudal.reason", Some(verdict.reason.clone())),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn change(&self) -> Vec<(&'static str, String)> {
        let (from, to) = (self.scale.replicas, self.verdict.replicas);
        vec![("caudal.replicas.from", from.to_string()), ("caudal.replicas.to", to.to_string())]
    }
}
