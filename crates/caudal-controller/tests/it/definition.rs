//! The definition on a real API server: wrong objects are refused in words that help.

use caudal_controller::crd::QueueScaler;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::world::{World, quick};

async fn try_make(world: &World, spec: Value) -> Result<(), String> {
    let resource = ApiResource::erase::<QueueScaler>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let made = json!({
        "apiVersion": "caudal.dev/v1alpha1", "kind": "QueueScaler", "metadata": { "generateName": "x-" }, "spec": spec,
    });
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let answer = api.create(&dry, &serde_json::from_value(made).unwrap()).await;
    answer.map(drop).map_err(|error| error.to_string())
}

fn with(path: &str, value: Value) -> Value {
    let mut spec = quick("redis://redis:6379/0");
    let (parent, field) = path.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[field] = value;
    spec
}

#[tokio::test]
async fn wrong_numbers_and_words_are_refused_in_words_that_help() {
    let cases = [
        (with("/minReplicas", json!(21)), "minReplicas must not be more than maxReplicas"),
        (with("/maxReplicas", json!(0)), "spec.maxReplicas in body should be greater than or equal to 1"),
        (with("/minReplicas", json!(-1)), "spec.minReplicas in body should be greater than or equal to 0"),
        (with("/target", json!({})), "give backlogPerReplica, drainSeconds or both"),
        (with("/target/backlogPerReplica", json!(0)), "spec.target.backlogPerReplica"),
        (
            with("/fallback", json!({ "afterSeconds": 30, "replicas": 21 })),
            "fallback.replicas must not be more than maxReplicas",
        ),
        (with("/fallback", json!({ "replicas": 2 })), "spec.fallback.afterSeconds: Required value"),
        (with("/pause", json!("Sideways")), "supported values: \"In\", \"Out\", \"Both\""),
        (with("/override", json!({ "replicas": 3, "until": "tomorrow" })), "spec.override.until"),
        (with("/scaleDown/stepPercent", json!(0)), "spec.scaleDown.stepPercent"),
        (with("/replicas", json!(-1)), "spec.replicas in body should be greater than or equal to 0"),
        (with("/scaleTargetRef", json!({})), "spec.scaleTargetRef.name: Required value"),
        (with("/scaleTargetRef/name", json!("")), "spec.scaleTargetRef.name in body should be at least 1 chars long"),
        (with("/maxReplicas", json!(3_000_000_000_u32)), "should be less than or equal to 100000"),
        (with("/maxReplicas", json!("many")), "must be of type integer: \"string\""),
        (with("/maxReplicas", Value::Null), "spec.maxReplicas: Required value"),
        (
            with("/target/drainSeconds", json!(0)),
            "spec.target.drainSeconds in body should be greater than or equal to 1",
        ),
        (with("/target/backlogPerReplica", json!(u64::MAX)), "spec.target.backlogPerReplica"),
        (with("/target/backlogPerReplica", json!(2.5)), "spec.target.backlogPerReplica"),
        (with("/cooldownSeconds", json!(-1)), "spec.cooldownSeconds in body should be greater than or equal to 0"),
        (with("/scaleUp", json!({ "stabilizationSeconds": 3_601 })), "spec.scaleUp.stabilizationSeconds"),
        (with("/override", json!({ "replicas": 3 })), "spec.override.until: Required value"),
        (with("/override", json!({ "until": "2030-01-31T18:00:00Z" })), "spec.override.replicas: Required value"),
    ];
    are_refused(&cases).await;
}

#[tokio::test]
async fn wrong_sources_are_refused_in_words_that_help() {
    let redis = json!({ "url": "redis://redis" });
    let url = "/source/caudal/redis/url";
    let cases = [
        (with("/source", json!({})), "name exactly one source: caudal, list, stream, sortedSet or celery"),
        (with("/source/celery", json!({ "redis": redis })), "name exactly one source"),
        (with(url, json!("http://redis")), "write redis://[USER@]HOST[:PORT][/DATABASE]"),
        (with(url, json!("redis://:secret@redis")), "and no password: name its Secret in passwordSecret"),
        (
            with("/source/caudal/queue", json!("a b")),
            "a queue's name has letters, digits, dots, hyphens and underscores",
        ),
        (with("/source", json!({ "list": { "redis": redis, "keys": [] } })), "spec.source.list.keys"),
        (with("/source/caudal", json!({ "queue": "facturas" })), "spec.source.caudal.redis: Required value"),
        (with(url, json!("redis://redis/first")), "write redis://[USER@]HOST[:PORT][/DATABASE]"),
        (
            with("/source", json!({ "sortedSet": { "redis": redis, "key": "z", "dueBy": "Days" } })),
            "supported values: \"UnixSeconds\", \"UnixMilliseconds\"",
        ),
        (
            with("/source", json!({ "stream": { "redis": redis, "key": "s" } })),
            "spec.source.stream.group: Required value",
        ),
        (
            with("/source", json!({ "celery": { "redis": redis, "prioritySteps": [256] } })),
            "spec.source.celery.prioritySteps[0] in body should be less than or equal to 255",
        ),
    ];
    are_refused(&cases).await;
}

async fn are_refused(cases: &[(Value, &str)]) {
    let world = World::new().await;
    for (spec, words) in cases {
        let refusal = try_make(&world, spec.clone()).await.err().unwrap_or_default();
        assert!(refusal.contains(words), "expected {words:?} in {refusal:?} to {spec}");
    }
}

#[tokio::test]
async fn every_source_and_option_is_accepted() {
    let world = World::new().await;
    let redis = json!({ "url": "rediss://reader@redis.example:6380/2", "passwordSecret": { "name": "redis" } });
    let sources = [
        json!({ "caudal": { "redis": redis } }),
        json!({ "list": { "redis": redis, "keys": ["a", "b"], "processingKeys": ["a:work"] } }),
        json!({ "stream": { "redis": redis, "key": "s", "group": "g" } }),
        json!({ "sortedSet": { "redis": redis, "key": "z", "dueBy": "UnixMilliseconds" } }),
        json!({ "celery": { "redis": redis, "queues": ["celery"], "acksLate": true, "globalKeyPrefix": "p" } }),
    ];
    for source in sources {
        try_make(&world, with("/source", source)).await.unwrap();
    }
    let mut spec = with("/target", json!({ "backlogPerReplica": 5, "drainSeconds": 30 }));
    let more = json!({
        "minReplicas": 1, "scaleUp": { "stabilizationSeconds": 10 }, "fallback": { "afterSeconds": 60, "replicas": 3 },
        "pause": "In", "override": { "replicas": 40, "until": "2030-01-31T18:00:00Z" }, "dryRun": true, "replicas": 0,
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    try_make(&world, spec).await.unwrap();
}

#[tokio::test]
async fn kubectl_explains_a_field() {
    let world = World::new().await;
    let field = ["explain", "qs.spec.target.backlogPerReplica"];
    let text = world.until("kubectl explains", async || world.plane.kubectl(&field).await).await;
    assert!(text.contains("One replica for so much backlog"), "{text}");
}
