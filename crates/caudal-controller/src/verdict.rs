//! Who has the say: the plan is only the last of those who may set the replicas.

#[cfg(test)]
mod tests;

use std::time::Duration;

use caudal_scaling::Decision;
use chrono::{DateTime, Utc};
use strum_macros::IntoStaticStr;

use crate::crd::{Pause, QueueScalerSpec};

/// All that the say depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) spec: &'a QueueScalerSpec,
    /// The replicas the target is asked to have at present.
    pub(crate) current: u32,
    pub(crate) plan: &'a Decision,
    /// For how long the queue could not be read; none while it can.
    pub(crate) unread_for: Option<Duration>,
    /// Another scaler of the same target.
    pub(crate) rival: Option<&'a str>,
    pub(crate) now: DateTime<Utc>,
}

/// How many replicas there should be, who says so, and whether to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) replicas: u32,
    pub(crate) authority: Authority,
    /// Why nothing is written, if so.
    pub(crate) withheld: Option<Withheld>,
    /// In words.
    pub(crate) reason: String,
}

/// Who set the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub(crate) enum Authority {
    Override,
    Pin,
    Pause,
    Fallback,
    Plan,
}

/// Why a verdict is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// Another scaler, named, writes the same number.
    Rival(String),
    DryRun,
}

/// Applies the precedence: conflict and dry run (nothing is written), override, pin, pause, fallback, plan.
pub(crate) fn judge(situation: &Situation<'_>) -> Verdict {
    let (replicas, authority, reason) = number(situation);
    let withheld = match situation.rival {
        Some(rival) => Some(Withheld::Rival(rival.to_owned())),
        None => situation.spec.dry_run.then_some(Withheld::DryRun),
    };
    Verdict { replicas, authority, withheld, reason }
}

fn number(situation: &Situation<'_>) -> (u32, Authority, String) {
    let Situation { spec, current, now, .. } = *situation;
    if let Some(over) = spec.r#override.filter(|over| now < over.until) {
        let until = over.until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        return (over.replicas, Authority::Override, format!("spec.override holds {} until {until}", over.replicas));
    }
    if let Some(pin) = spec.replicas {
        return (pin, Authority::Pin, format!("spec.replicas pins {pin}"));
    }
    let (free, authority, reason) = unpaused(situation);
    let (held, direction) = match spec.pause {
        None => return (free, authority, reason),
        Some(Pause::In) => (free.max(current), "In"),
        Some(Pause::Out) => (free.min(current), "Out"),
        Some(Pause::Both) => (current, "Both"),
    };
    if held == free {
        return (free, authority, reason);
    }
    (held, Authority::Pause, format!("spec.pause: {direction} holds {held}, otherwise {free}: {reason}"))
}

fn unpaused(situation: &Situation<'_>) -> (u32, Authority, String) {
    let Situation { spec, current, plan, unread_for, .. } = *situation;
    let lost = |after: u32| unread_for.is_some_and(|time| time >= Duration::from_secs(u64::from(after)));
    match spec.fallback.filter(|fallback| lost(fallback.after_seconds)) {
        Some(fallback) => {
            let reason = format!(
                "the queue could not be read for {} s, so spec.fallback asks for at least {}",
                fallback.after_seconds, fallback.replicas
            );
            (current.max(fallback.replicas), Authority::Fallback, reason)
        }
        None => (plan.replicas, Authority::Plan, plan.to_string()),
    }
}
