//! The `QueueScaler` resource: what a user writes. Its docs are the texts of `kubectl explain`.

#![expect(unreachable_pub, reason = "the derive of kube copies the types into function bodies")]
#![expect(clippy::duplicated_attributes, reason = "columns of one type are not duplicates")]

mod definition;
mod source;
mod status;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use definition::{crd, crd_yaml};
pub use source::{CaudalQueue, RedisQueue, RedisServer, SecretKey, Source};
pub use status::{LastDecision, QueueScalerStatus};

/// What is scaled, by which queue, and how.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "caudal.dev",
    version = "v1alpha1",
    kind = "QueueScaler",
    namespaced,
    shortname = "qs",
    status = "QueueScalerStatus",
    derive = "PartialEq",
    doc = "Keeps as many replicas of a workload running as its Redis queue needs, from zero to many and back.",
    scale(spec_replicas_path = ".spec.replicas", status_replicas_path = ".status.replicas"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.scaleTargetRef.name"),
    printcolumn(name = "Min", type_ = "integer", json_path = ".spec.minReplicas"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxReplicas"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Pin", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Pause", type_ = "string", json_path = ".spec.pause"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Active", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    printcolumn(name = "Last Decision", type_ = "string", json_path = ".status.lastDecision.reason", priority = 1)
)]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas").message("minReplicas must not be more than maxReplicas"),
    validation = Rule::new("!has(self.fallback) || self.fallback.replicas <= self.maxReplicas")
        .message("fallback.replicas must not be more than maxReplicas")
)]
#[serde(rename_all = "camelCase")]
pub struct QueueScalerSpec {
    /// The workload to scale, in the same namespace.
    pub scale_target_ref: ScaleTargetRef,
    /// Never fewer replicas. 0, as it is unless given: none while there is nothing to do.
    #[serde(default)]
    #[schemars(range(max = 100_000))]
    pub min_replicas: u32,
    /// Never more replicas. To hold none for a while, pin 0 instead: `kubectl scale qs/NAME --replicas=0`
    #[schemars(range(min = 1, max = 100_000))]
    pub max_replicas: u32,
    /// The queue: exactly one of caudal, list, stream, `sortedSet`, celery.
    pub source: Source,
    /// How much work a replica may have. With both targets the larger answer counts.
    pub target: Target,
    /// How to scale up.
    #[serde(default)]
    pub scale_up: ScaleUp,
    /// How to scale down. It holds for every step, the last one to zero included.
    #[serde(default)]
    pub scale_down: ScaleDown,
    /// For how many seconds nothing may wait or be in flight before the replicas go to zero; 60 unless given.
    #[serde(default = "sixty")]
    #[schemars(range(max = 86_400))]
    pub cooldown_seconds: u32,
    /// What to do while the queue cannot be read. Without it the replicas stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Holds a direction. In: not down. Out: not up. Both: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Holds a number of replicas until a time, whatever the queue, the pin and the bounds say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#override: Option<Override>,
    /// Decides and reports, and writes no replicas.
    #[serde(default)]
    pub dry_run: bool,
    /// The pin: holds this number of replicas, outside the bounds too, until it is removed. Set it by
    /// `kubectl scale qs/NAME --replicas=N`; remove it by
    /// `kubectl patch qs/NAME --type=json -p '[{"op":"remove","path":"/spec/replicas"}]'`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000))]
    pub replicas: Option<u32>,
}

/// A workload by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTargetRef {
    /// Its API version; apps/v1 unless given.
    #[serde(default = "apps_v1")]
    #[schemars(length(min = 1, max = 317))]
    pub api_version: String,
    /// Its kind: Deployment (unless given), `StatefulSet` or any other that can be scaled (has a scale subresource).
    #[serde(default = "deployment")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How much work a replica may have.
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("has(self.backlogPerReplica) || has(self.drainSeconds)")
        .message("give backlogPerReplica, drainSeconds or both")
)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// One replica for so much backlog: invoices for the source caudal, entries or tasks for the others. What is in flight counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub backlog_per_replica: Option<u32>,
    /// As many replicas as it takes to work the backlog off within so many seconds. One replica while its speed is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub drain_seconds: Option<u32>,
}

/// How to scale up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleUp {
    /// Up only to the least that was needed within so many seconds. 0: at once and in one step.
    #[serde(default)]
    #[schemars(range(max = 3_600))]
    pub stabilization_seconds: u32,
}

/// How to scale down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleDown {
    /// Down only to the most that was needed within so many seconds; 60 unless given.
    #[schemars(range(max = 3_600))]
    pub stabilization_seconds: u32,
    /// How much of the replicas one step down may take, in percent; always at least one replica; 50 unless
    /// given.
    #[schemars(range(min = 1, max = 100))]
    pub step_percent: u32,
}

impl Default for ScaleDown {
    fn default() -> Self {
        Self { stabilization_seconds: 60, step_percent: 50 }
    }
}

/// What to do while the queue cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// After so many seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub after_seconds: u32,
    /// Lifts to at least so many replicas; never lowers.
    #[schemars(range(max = 100_000))]
    pub replicas: u32,
}

/// Holds a direction. In: not down. Out: not up. Both: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Pause {
    /// Not down.
    In,
    /// Not up.
    Out,
    /// Not at all.
    Both,
}

/// A number of replicas until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// So many replicas.
    #[schemars(range(max = 100_000))]
    pub replicas: u32,
    /// Until this time, for example 2030-01-31T18:00:00Z; afterwards it means nothing.
    pub until: DateTime<Utc>,
}

fn sixty() -> u32 {
    60
}

fn apps_v1() -> String {
    "apps/v1".to_owned()
}

fn deployment() -> String {
    "Deployment".to_owned()
}
