//! One turn: look, decide, write what differs, tell what changed.

use std::time::Duration;

use caudal_scaling::{History, Load, Observation, Policy, plan};
use chrono::{DateTime, SubsecRound, Utc};
use kube::{Api, ResourceExt};
use tracing::info;

use super::Scaler;
use super::trace::{Planned, Turn};
use crate::conditions::{Account, Problem};
use crate::crd::{LastDecision, QueueScaler, QueueScalerSpec};
use crate::error::Error;
use crate::pods;
use crate::report::{DRY_RUN, Outcome};
use crate::source::Unread;
use crate::target::{Scale, Target, title};
use crate::verdict::{Authority, Situation, judge};

/// For how long an outage of a queue that could once be read leaves Ready alone.
const GRACE: Duration = Duration::from_secs(60);

/// So many failures in a row may pass by themselves.
const PATIENCE: u32 = 2;

impl Scaler {
    pub(super) async fn turn(&mut self, object: &QueueScaler) -> Result<(), Error> {
        if self.source.sees_another(object) {
            // What was seen of one queue says nothing about another.
            (self.history, self.unread_since, self.read_once) = (History::default(), None, false);
        }
        let begun = Utc::now();
        let (seen, load) = tokio::join!(
            self.target.look(&self.context, &self.surroundings, object),
            self.source.look(&self.context, object),
        );
        let now = Utc::now();
        self.remember(object, &load, now);
        let turn = Turn { object, load: &load, begun, observed: now };
        match seen {
            Ok((target, scale)) => self.act(&turn, &target, scale).await,
            Err(error) => {
                self.tell(&turn, None, self.blind(&error), Outcome::default());
                self.row.hide();
                self.trace(&turn, None, Some(&error));
                Err(error)
            }
        }
    }

    async fn act(&mut self, turn: &Turn<'_>, target: &Target, scale: Scale) -> Result<(), Error> {
        self.notice_a_hand(target, &scale).await;
        let planned = self.plan(turn, scale);
        let written = self.write(turn.object, target, &planned).await;
        let (changed, failure) = (matches!(written, Ok(true)), written.as_ref().err());
        let blind = failure.and_then(|error| self.blind(error));
        if matches!(failure, Some(Error::Conflict(_))) && blind.is_none() {
            return written.map(drop);
        }
        self.measure(turn, &planned, changed);
        if changed || failure.is_some() {
            self.trace(turn, Some(&planned), failure);
        }
        let outcome = self.outcome(turn, &planned, changed);
        if failure.is_some() {
            // It may have come through all the same: what is found next is no stranger's hand.
            self.expected = None;
        }
        let problem = blind.or_else(|| self.unreadable(turn));
        self.tell(turn, Some(&planned), problem, outcome);
        if planned.scale.replicas == 0 {
            Box::pin(self.source.tidy()).await;
        }
        written.map(drop)
    }

    fn tell(&mut self, turn: &Turn<'_>, planned: Option<&Planned>, problem: Option<Problem>, outcome: Outcome) {
        let account = Account {
            name: turn.object.name_any(),
            target: title(&turn.object.spec.scale_target_ref),
            active: turn.load.as_ref().map(|load| load.backlog > 0),
            note: self.source.note.as_deref(),
            judged: planned.map(|planned| (&planned.decision, &planned.verdict)),
            problem,
        };
        self.teller.tell((turn.object, &self.lease), &account, outcome, turn.observed);
    }

    fn plan(&mut self, turn: &Turn<'_>, scale: Scale) -> Planned {
        let (spec, now) = (&turn.object.spec, turn.observed);
        let (current, unread_for) = (scale.replicas, self.unread_for(now));
        let observation = Observation { current, ready: scale.ready, load: turn.load.as_ref().ok().copied() };
        let decision = plan(&policy(spec), &mut self.history, &observation, now);
        let rival = self.surroundings.rivals.of(turn.object);
        let verdict = judge(&Situation { spec, current, plan: &decision, unread_for, rival: rival.as_deref(), now });
        if verdict.authority == Authority::Fallback {
            self.history.interrupt();
        }
        Planned { scale, decision, verdict, at: Utc::now() }
    }

    /// Writes the verdict where it differs and may be written. Answers whether it did.
    async fn write(&mut self, object: &QueueScaler, target: &Target, planned: &Planned) -> Result<bool, Error> {
        let Planned { scale, verdict, .. } = planned;
        if verdict.withheld.is_some() || verdict.replicas == scale.replicas || !self.lease.may_act() {
            return Ok(false);
        }
        // Where some pods stay, the idle ones go first.
        if (1..scale.replicas).contains(&verdict.replicas) && target.heeds_cost() {
            let pods = Api::namespaced(self.context.client.clone(), &object.namespace().unwrap_or_default());
            // On the heap: it is rare, and a task keeps the room that its largest step takes.
            Box::pin(pods::spare(&pods, target.selector(), self.source.busy_pods())).await;
        }
        self.lease.hold(&target.title(), Box::pin(target.write(scale, verdict.replicas))).await?;
        info!(
            queuescaler.namespace = %object.namespace().unwrap_or_default(),
            queuescaler.name = %object.name_any(),
            replicas.from = scale.replicas,
            replicas.to = verdict.replicas,
            reason = %verdict.reason,
            "scaled {}", target.title()
        );
        Ok(true)
    }

    fn measure(&self, turn: &Turn<'_>, planned: &Planned, written: bool) {
        let Planned { scale, decision, verdict, .. } = planned;
        let (metrics, desired) = (&self.context.metrics, verdict.replicas);
        let current = if written { desired } else { scale.replicas };
        metrics.decided(decision, verdict, current.cmp(&scale.replicas));
        let came = self.wake.as_ref().and_then(|wake| wake.at);
        if let Some(came) = came.filter(|_| current > scale.replicas && verdict.authority == Authority::Plan) {
            metrics.reacted(came, Utc::now());
        }
        self.row.show(&self.lease, (current, desired), turn.load.as_ref().ok(), decision);
    }

    /// Tells a turn that wrote, or the first of several that failed.
    fn trace(&self, turn: &Turn<'_>, planned: Option<&Planned>, failure: Option<&Error>) {
        if failure.is_none() || self.failures == 0 {
            turn.tell(planned, failure, self.wake.as_ref());
        }
    }

    fn outcome(
        &mut self,
        turn: &Turn<'_>,
        Planned { scale, decision, verdict, .. }: &Planned,
        written: bool,
    ) -> Outcome {
        let (from, to) = (scale.replicas, verdict.replicas);
        let after = if written { to } else { from };
        self.expected = Some(after);
        let change = LastDecision { at: turn.observed.trunc_subsecs(0), from, to, reason: verdict.reason.clone() };
        if written {
            return Outcome { replicas: Some(after), change: Some(change), dry: None, overruled: self.hand.take() };
        }
        let dry = turn.object.spec.dry_run && from != to;
        // Whoever set what the plan only puts up with for a while is overruled all the same, but later.
        let lasting = decision.hold.is_none() || verdict.authority != Authority::Plan || verdict.withheld.is_some();
        self.hand.take_if(|_| lasting);
        let reason = format!("{DRY_RUN}{}", change.reason);
        let dry = dry.then_some(LastDecision { reason, ..change });
        Outcome { replicas: Some(after), dry, ..Outcome::default() }
    }

    /// Remembers since when the queue could not be read, and what comes about next.
    fn remember(&mut self, object: &QueueScaler, load: &Result<Load, Unread>, now: DateTime<Utc>) {
        let ends = object.spec.r#override.map(|over| over.until);
        let due = load.as_ref().ok().and_then(|load| load.next_due);
        self.appointment = ends.into_iter().chain(due).filter(|at| *at > now).min();
        match load {
            Ok(_) => (self.read_once, self.unread_since) = (true, None),
            Err(unread) => {
                self.context.metrics.unread(unread.into());
                self.unread_since.get_or_insert(now);
            }
        }
    }

    fn unread_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        self.unread_since.map(|since| now.signed_duration_since(since).to_std().unwrap_or_default())
    }

    fn unreadable(&self, turn: &Turn<'_>) -> Option<Problem> {
        let unread = turn.load.as_ref().err()?;
        let passing = matches!(unread, Unread::SourceUnavailable(_))
            && self.read_once
            && self.unread_for(turn.observed).is_some_and(|time| time < GRACE);
        let stalled = matches!(unread, Unread::InvalidSource(_));
        (!passing).then(|| Problem { reason: unread.into(), message: unread.to_string(), stalled })
    }

    /// What is to be said of an error of the API server. Of what passes nothing need be, and of its absence nothing can be.
    fn blind(&self, error: &Error) -> Option<Problem> {
        let (reason, message) = match error {
            Error::Missing(what) => {
                ("TargetNotFound", format!("{what} is not there: create it, or name another in spec.scaleTargetRef"))
            }
            Error::Refused { .. } => ("TargetRefused", error.to_string()),
            Error::Unavailable { source: Some(kube::Error::Service(_) | kube::Error::HyperError(_)), .. } => {
                return None;
            }
            Error::Conflict(_) | Error::Unavailable { .. } if self.failures >= PATIENCE => {
                let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
                ("ApiServerUnavailable", format!("{error}{}", cause.unwrap_or_default()))
            }
            _ => return None,
        };
        Some(Problem { reason, message, stalled: false })
    }

    async fn notice_a_hand(&mut self, target: &Target, scale: &Scale) {
        if self.expected.is_some_and(|expected| expected != scale.replicas) {
            let who = Box::pin(target.other_manager()).await.unwrap_or_else(|| "somebody".to_owned());
            self.hand = Some((who, scale.replicas));
        }
    }
}

fn policy(spec: &QueueScalerSpec) -> Policy {
    let seconds = |count: u32| Duration::from_secs(u64::from(count));
    Policy {
        min: spec.min_replicas,
        max: spec.max_replicas,
        backlog_per_replica: spec.target.backlog_per_replica.and_then(std::num::NonZeroU32::new),
        drain: spec.target.drain_seconds.map(seconds),
        up_window: seconds(spec.scale_up.stabilization_seconds),
        down_window: seconds(spec.scale_down.stabilization_seconds),
        step_percent: spec.scale_down.step_percent,
        cooldown: seconds(spec.cooldown_seconds),
    }
}
