//! What the conditions say. Pure; their texts hold no fast numbers, so they change only when something did.

#[cfg(test)]
pub(crate) mod tests;

use caudal_scaling::{Decision, Hold};
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::source::Unread;
use crate::verdict::{Authority, Verdict, Withheld};

pub(crate) const READY: &str = "Ready";

/// Those that tell of a verdict.
const JUDGED: [&str; 4] = ["Fallback", "Limited", "Pinned", "ScaleConflict"];

/// What one look at an object came to.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    /// The object's name.
    pub(crate) name: String,
    /// `Deployment/worker`.
    pub(crate) target: String,
    /// Whether there is work, or why that is not known.
    pub(crate) active: Result<bool, &'a Unread>,
    /// What a person should know about what was found in the queue.
    pub(crate) note: Option<&'a str>,
    /// None when the target could not be seen.
    pub(crate) judged: Option<(&'a Decision, &'a Verdict)>,
    /// What keeps the controller from scaling.
    pub(crate) problem: Option<Problem>,
}

/// What keeps the controller from scaling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// Whether it can only end by a change of the object.
    pub(crate) stalled: bool,
}

/// The conditions after one look; those that did not change keep the time of their last change.
pub(crate) fn conditions(
    account: &Account<'_>,
    before: &[Condition],
    generation: Option<i64>,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let all: [(&str, Say); 8] = [
        (READY, ready),
        ("Active", active),
        ("Fallback", fallback),
        ("Limited", limited),
        ("Pinned", pinned),
        ("ScaleConflict", conflict),
        ("Reconciling", reconciling),
        ("Stalled", stalled),
    ];
    all.map(|(type_, say)| {
        let known = before.iter().find(|condition| condition.type_ == type_);
        // Those that tell of a verdict stand while there is none.
        let stands = known.filter(|_| account.judged.is_none() && JUDGED.contains(&type_));
        stands.cloned().unwrap_or_else(|| say(account).dated(type_, known, generation, now))
    })
    .into()
}

type Say = fn(&Account<'_>) -> Said;

struct Said {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Said {
    fn new(status: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: if status { "True" } else { "False" }, reason, message: message.into() }
    }

    fn dated(self, type_: &str, before: Option<&Condition>, generation: Option<i64>, now: DateTime<Utc>) -> Condition {
        let same = before.filter(|condition| condition.status == self.status);
        let now = Timestamp::from_second(now.timestamp()).unwrap_or_default();
        Condition {
            last_transition_time: same.map_or(Time(now), |condition| condition.last_transition_time.clone()),
            message: self.message,
            observed_generation: generation,
            reason: self.reason.to_owned(),
            status: self.status.to_owned(),
            type_: type_.to_owned(),
        }
    }
}

fn ready(account: &Account<'_>) -> Said {
    if let Some(problem) = &account.problem {
        return Said::new(false, problem.reason, problem.message.clone());
    }
    let target = &account.target;
    let (reason, message) = match account.judged.map(|(_, verdict)| (&verdict.withheld, verdict.authority)) {
        Some((Some(Withheld::Rival(rival)), _)) => {
            ("OtherScaler", format!("{rival} scales {target}, so this does not"))
        }
        Some((Some(Withheld::DryRun), _)) => {
            ("DryRun", format!("spec.dryRun: decides and tells, and does not scale {target}"))
        }
        Some((None, Authority::Pause)) => {
            ("Paused", format!("spec.pause holds {target}: remove it, and it gets other replicas"))
        }
        _ => ("Scaling", format!("the controller scales {target}")),
    };
    Said::new(true, reason, message)
}

fn active(account: &Account<'_>) -> Said {
    match account.active {
        Ok(true) => Said::new(true, "Work", account.note.unwrap_or("the queue holds work")),
        Ok(false) => Said::new(false, "Idle", "nothing waits and nothing is in flight"),
        Err(unread) => Said {
            status: "Unknown",
            reason: unread.into(),
            message: format!("the queue cannot be read, so nothing is scaled down: {unread}"),
        },
    }
}

fn fallback(account: &Account<'_>) -> Said {
    match account.judged {
        Some((_, verdict)) if verdict.authority == Authority::Fallback => {
            Said::new(true, "SourceUnavailable", verdict.reason.clone())
        }
        _ => Said::new(false, "NotNeeded", ""),
    }
}

fn limited(account: &Account<'_>) -> Said {
    match account.judged {
        Some((Decision { hold: Some(Hold::Maximum(most)), .. }, _)) => {
            Said::new(true, "Maximum", format!("the backlog needs more than maxReplicas, {most}, allows"))
        }
        _ => Said::new(false, "WithinBounds", ""),
    }
}

fn pinned(account: &Account<'_>) -> Said {
    match account.judged.map(|(_, verdict)| (verdict.authority, &verdict.reason)) {
        Some((Authority::Pin, held)) => {
            let message = format!("{held}, whatever the queue holds, until that field is removed");
            Said::new(true, "Pin", message)
        }
        Some((Authority::Override, held)) => Said::new(true, "Override", format!("{held}, whatever the queue holds")),
        _ => Said::new(false, "NotPinned", ""),
    }
}

fn conflict(account: &Account<'_>) -> Said {
    match account.judged.and_then(|(_, verdict)| verdict.withheld.as_ref()) {
        Some(Withheld::Rival(rival)) => {
            let message =
                format!("{rival} scales {} too, so nothing is written here: remove one of the two", account.target);
            Said::new(true, "OtherScaler", message)
        }
        _ => Said::new(false, "NoOtherScaler", ""),
    }
}

fn reconciling(account: &Account<'_>) -> Said {
    match &account.problem {
        Some(problem) if !problem.stalled => Said::new(true, problem.reason, "tried again by itself"),
        _ => Said::new(false, "Done", ""),
    }
}

fn stalled(account: &Account<'_>) -> Said {
    match &account.problem {
        Some(problem) if problem.stalled => Said::new(true, problem.reason, problem.message.clone()),
        _ => Said::new(false, "NotStalled", ""),
    }
}
