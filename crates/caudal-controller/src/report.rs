//! What one look at an object leaves behind: its status, and the news about it. Pure.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

use crate::conditions::{Account, conditions};
use crate::crd::{LastDecision, QueueScalerStatus};
use crate::news::News;

/// How the reason of a change that was not made begins.
pub(crate) const DRY_RUN: &str = "dry run, not written: ";
/// Such changes, each of which is made again and again, are told no more often than this.
const DRY_PERIOD: TimeDelta = TimeDelta::seconds(30);

/// What a look came to for the target's replicas.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The target's replicas after it, if it could be seen.
    pub(crate) replicas: Option<u32>,
    /// The change that was made.
    pub(crate) change: Option<LastDecision>,
    /// The change that a dry run would have made.
    pub(crate) dry: Option<LastDecision>,
    /// Who else had set the replicas, and how many, before this change.
    pub(crate) overruled: Option<(String, u32)>,
}

/// The status after a look, and what changed since `before`.
pub(crate) fn report(
    before: &QueueScalerStatus,
    account: &Account<'_>,
    outcome: Outcome,
    generation: Option<i64>,
    now: DateTime<Utc>,
) -> (QueueScalerStatus, Vec<News>) {
    let Outcome { replicas, change, dry, overruled } = outcome;
    let conditions = conditions(account, &before.conditions, generation, now);
    let mut news = News::of_conditions(&before.conditions, &conditions);
    news.extend(change.as_ref().map(|change| News::scaled(&account.target, change)));
    news.extend(overruled.map(|(who, theirs)| News::overruled(&account.target, &account.name, &who, theirs)));
    let told = |known: &LastDecision, dry: &LastDecision| {
        let recent = known.reason.starts_with(DRY_RUN) && dry.at.signed_duration_since(known.at) < DRY_PERIOD;
        recent || (known.from, known.to) == (dry.from, dry.to)
    };
    let dry = dry.filter(|dry| before.last_decision.as_ref().is_none_or(|known| !told(known, dry)));
    let status = QueueScalerStatus {
        observed_generation: generation,
        replicas: replicas.or(before.replicas),
        last_decision: change.or(dry).or_else(|| before.last_decision.clone()),
        conditions,
    };
    (status, news)
}
