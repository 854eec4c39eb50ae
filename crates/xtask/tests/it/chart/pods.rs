//! What the pods of the renders are given.

use serde_json::Value;

use super::helm::{identity, rendered};

/// The first container, or the first that prepares the pod.
fn container(values: &str, workload: &str, kind: &str) -> Value {
    let found = rendered(values).into_iter().find(|object| identity(object) == workload);
    found.unwrap()["spec"]["template"]["spec"][kind][0].take()
}

/// The variable's value comes out of a Secret: whether the pod starts without it.
fn may_be_missing(container: &Value, variable: &str) -> Option<bool> {
    let variables = container["env"].as_array().unwrap();
    let secret = &variables.iter().find(|one| one["name"] == variable)?["valueFrom"]["secretKeyRef"];
    Some(secret["optional"] == true)
}

#[test]
fn the_api_starts_without_the_secret_of_postgresql_and_a_worker_does_not() {
    for (values, secret) in [("default-values.yaml", "POSTGRES_PASSWORD"), ("external-values.yaml", "DATABASE_URL")] {
        let api = container(values, "Deployment/caudal-api", "containers");
        let worker = container(values, "Deployment/caudal-worker", "containers");
        let migrate = container(values, "Deployment/caudal-worker", "initContainers");
        assert_eq!(may_be_missing(&api, secret), Some(true), "{values}");
        assert_eq!(may_be_missing(&worker, secret), Some(false), "{values}");
        assert_eq!(may_be_missing(&migrate, secret), Some(false), "{values}");
    }
    let redis = container("external-values.yaml", "Deployment/caudal-api", "containers");
    assert_eq!(may_be_missing(&redis, "REDIS_URL"), Some(false));
}
