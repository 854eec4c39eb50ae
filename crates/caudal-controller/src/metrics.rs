//! What a controller counts, and the numbers of each object while it leads there.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::{Arc, Mutex, Weak};

use caudal_scaling::{Decision, Drain, Load};
use caudal_telemetry::metrics::{self, Counters, Histogram, LONG, Registry};
use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt;
use tokio::time::Instant;

use crate::lease::{Leadership, Standing};
use crate::verdict::{Authority, Verdict};
use crate::watched::locked;

/// Of each object, in this order; the last is made when it is read.
const GAUGES: [(&str, &str); 8] = [
    ("queuescaler_current_replicas", "Replicas that the target is asked to have"),
    ("queuescaler_desired_replicas", "Replicas that it should have: another number only where nothing may be written"),
    ("queuescaler_backlog", "What waits or is in flight, in the source's unit; absent while the queue cannot be read"),
    ("queuescaler_busy_workers", "Workers that have work, as far as the source can tell"),
    ("queuescaler_arrival_per_second", "What keeps arriving, in the source's unit"),
    ("queuescaler_service_per_second", "What one replica finishes, in the source's unit; absent until that is learned"),
    ("queuescaler_drain_seconds", "Time until the backlog is gone at the present rate; infinite while it grows"),
    ("queuescaler_look_age_seconds", "Time since the queue could last be read"),
];

/// The counts and gauges of one controller. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    decisions: Counters<2>,
    reactions: Histogram,
    source_errors: Counters<1>,
    rows: Arc<Mutex<Vec<Weak<Row>>>>,
    leases: Arc<Mutex<Vec<(Labels, Standing)>>>,
}

/// Namespace and name.
type Labels = [String; 2];

/// The numbers of one object; gone with its last owner.
#[derive(Debug)]
pub(crate) struct Row {
    labels: Labels,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    /// Shown only while this process leads by it.
    lease: Option<Leadership>,
    numbers: [Option<f64>; 7],
    read_at: Option<Instant>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            decisions: Counters::new(["reason", "change"]),
            reactions: Histogram::new(LONG),
            source_errors: Counters::new(["reason"]),
            rows: Arc::default(),
            leases: Arc::default(),
        }
    }
}

impl Metrics {
    /// Adds them to a role's metrics.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Decisions, one for each look at an object, by what settled the number and what was written: up, down or none";
        registry.register("controller_decisions", help, &self.decisions);
        let help = "Time from the arrival of the work that woke an object, by the clock of Redis, to the confirmed write of more \
                    replicas, by the controller's: where the two differ, so much is wrong, though never below 0";
        registry.register("controller_reaction_seconds", help, &self.reactions);
        let help = "Looks at a queue that failed, by the reason that the condition Ready gives";
        registry.register("controller_source_errors", help, &self.source_errors);
        let leases = Arc::clone(&self.leases);
        let help = "1 while this process leads by the Lease, 0 while it stands by";
        registry.rows(["namespace", "lease"], [("controller_leads", help)], move || {
            let row = |(labels, standing): &(Labels, Standing)| {
                Some((labels.clone(), [Some(f64::from(Leadership::of(standing)?.may_act()))]))
            };
            locked(&leases).iter().filter_map(row).collect()
        });
        let rows = Arc::clone(&self.rows);
        registry.rows(["namespace", "name"], GAUGES, move || {
            locked(&rows).iter().filter_map(|row| row.upgrade()?.read()).collect()
        });
    }

    pub(crate) fn stands(&self, namespace: &str, lease: &str, standing: Standing) {
        let mut leases = locked(&self.leases);
        leases.retain(|(_, standing)| standing.strong_count() > 0);
        leases.push(([namespace.to_owned(), lease.to_owned()], standing));
    }

    /// A row for this object; nothing is shown of it yet.
    pub(crate) fn row(&self, object: &impl ResourceExt) -> Arc<Row> {
        let labels = [object.namespace().unwrap_or_default(), object.name_any()];
        let row = Arc::new(Row { labels, shown: Mutex::default() });
        let mut rows = locked(&self.rows);
        rows.retain(|row| row.strong_count() > 0);
        rows.push(Arc::downgrade(&row));
        row
    }

    /// An object was looked at, and so many replicas more or less were asked for.
    pub(crate) fn decided(&self, decision: &Decision, verdict: &Verdict, change: Ordering) {
        let reason = match verdict.authority {
            Authority::Plan => decision.name(),
            authority => authority.into(),
        };
        let change = match change {
            Ordering::Less => "down",
            Ordering::Equal => "none",
            Ordering::Greater => "up",
        };
        self.decisions.add([Cow::Borrowed(reason), Cow::Borrowed(change)], 1);
    }

    /// More replicas were asked for, for work that came then.
    pub(crate) fn reacted(&self, came: DateTime<Utc>, now: DateTime<Utc>) {
        self.reactions.observe((now - came).max(TimeDelta::zero()).as_seconds_f64());
    }

    pub(crate) fn unread(&self, reason: &'static str) {
        self.source_errors.add([Cow::Borrowed(reason)], 1);
    }
}

impl Row {
    /// What the last look came to, to be shown while this process leads.
    pub(crate) fn show(
        &self,
        lease: &Leadership,
        (current, desired): (u32, u32),
        load: Option<&Load>,
        decision: &Decision,
    ) {
        let drain = match decision.drain {
            Drain::Unknown => None,
            Drain::Never => Some(f64::INFINITY),
            Drain::In(time) => Some(time.as_secs_f64()),
        };
        let (backlog, busy) = (load.map(|load| load.backlog as f64), load.map(|load| f64::from(load.busy)));
        let mut shown = locked(&self.shown);
        shown.lease = Some(lease.clone());
        shown.numbers =
            [Some(current.into()), Some(desired.into()), backlog, busy, decision.arrival, decision.service, drain];
        shown.read_at = load.map(|_| Instant::now()).or(shown.read_at);
    }

    /// Nothing is known any more.
    pub(crate) fn hide(&self) {
        *locked(&self.shown) = Shown::default();
    }

    fn read(&self) -> Option<metrics::Row<2, 8>> {
        let shown = locked(&self.shown);
        shown.lease.as_ref().filter(|lease| lease.may_act())?;
        let [a, b, c, d, e, f, g] = shown.numbers;
        let age = shown.read_at.map(|at| at.elapsed().as_secs_f64());
        Some((self.labels.clone(), [a, b, c, d, e, f, g, age]))
    }
}
