//! Events: one for each change, in words. They are a courtesy: one that cannot be written is only logged.

use std::fmt::Display;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::debug;

use crate::conditions::READY;
use crate::crd::LastDecision;
use crate::error::Error;

/// The longest note an event may have.
const LONGEST: usize = 1_000;

/// Something worth an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    warning: bool,
    reason: String,
    note: String,
}

impl News {
    /// The target's replicas were changed.
    pub(crate) fn scaled(target: &str, change: &LastDecision) -> Self {
        let LastDecision { from, to, reason, .. } = change;
        let direction = if to > from { "ScaledUp" } else { "ScaledDown" };
        Self { warning: false, reason: direction.to_owned(), note: format!("{target} from {from} to {to}: {reason}") }
    }

    /// Somebody else had set the replicas, and they were set back.
    pub(crate) fn overruled(target: &str, name: &str, who: &str, theirs: u32) -> Self {
        let note = format!(
            "{who} set {target} to {theirs}, and it was overruled: to hold that number use kubectl scale queuescaler/{name} \
             --replicas={theirs}, or set spec.pause to Both"
        );
        Self { warning: true, reason: "Overruled".to_owned(), note }
    }

    /// The object is not what this program knows, whatever the API server took it for.
    pub(crate) fn unreadable(error: &impl Display) -> Self {
        let note = format!("this QueueScaler cannot be read, so nobody looks after it: {error}");
        Self { warning: true, reason: "Unreadable".to_owned(), note }
    }

    /// What changed from one set of conditions to the next. Ready and Active at work are the normal course and no news at first sight.
    pub(crate) fn of_conditions(before: &[Condition], after: &[Condition]) -> Vec<Self> {
        let was =
            |type_: &str| before.iter().find(|condition| condition.type_ == type_).map(|found| found.status.as_str());
        let told = ["Ready", "Fallback", "Pinned", "ScaleConflict"];
        let changed = after.iter().filter(|condition| {
            let usual = if condition.type_ == READY { "True" } else { "False" };
            told.contains(&condition.type_.as_str()) && was(&condition.type_).unwrap_or(usual) != condition.status
        });
        changed.map(Self::of_condition).collect()
    }

    fn of_condition(condition: &Condition) -> Self {
        let good = if condition.type_ == READY { "True" } else { "False" };
        let warning = condition.status != good && condition.type_ != "Pinned";
        let note = if condition.message.is_empty() {
            format!("{} no longer", condition.type_)
        } else {
            condition.message.clone()
        };
        Self { warning, reason: condition.reason.clone(), note }
    }

    /// Writes the event about this object.
    pub(crate) async fn publish(self, client: &Client, reporter: &Reporter, about: &ObjectReference) {
        let mut note = self.note;
        note.truncate(note.floor_char_boundary(LONGEST));
        let event = Event {
            type_: if self.warning { EventType::Warning } else { EventType::Normal },
            reason: self.reason,
            note: Some(note),
            action: "Scale".to_owned(),
            secondary: None,
        };
        // A recorder of its own for each: one that is kept counts the second change as a repetition of the first one's words.
        let recorder = Recorder::new(client.clone(), reporter.clone());
        if let Err(error) = Error::of("an event", recorder.publish(&event, about)).await {
            debug!(%error, event.reason = %event.reason, "could not write an event");
        }
    }
}
