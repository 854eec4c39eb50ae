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

#[test]
fn every_program_trusts_an_authority_whose_certificate_is_mounted() {
    let programs =
        [("api", "containers"), ("worker", "containers"), ("worker", "initContainers"), ("controller", "containers")];
    for (part, kind) in programs {
        let program = container("authority-values.yaml", &format!("Deployment/caudal-{part}"), kind);
        let variables = program["env"].as_array().unwrap();
        let trusted =
            variables.iter().find(|one| one["name"] == "SSL_CERT_FILE").map(|one| one["value"].as_str().unwrap());
        let mounts = program["volumeMounts"].as_array().unwrap();
        let there = mounts.iter().any(|mount| trusted.unwrap().starts_with(mount["mountPath"].as_str().unwrap()));
        assert!(there, "{part}'s {kind}: {trusted:?} is not in {mounts:?}");
    }
}

/// A test that finds the batch of an earlier one recorded would pass whatever is broken behind the API.
#[test]
fn each_test_of_a_release_sends_a_batch_of_its_own() {
    let test =
        rendered("default-values.yaml").into_iter().find(|object| identity(object) == "Pod/caudal-test").unwrap();
    let container = &test["spec"]["containers"][0];
    let run = container["env"].as_array().unwrap().iter().find(|variable| variable["name"] == "POD_UID").unwrap();
    assert_eq!(run["valueFrom"]["fieldRef"]["fieldPath"], "metadata.uid");
    assert!(container["args"].as_array().unwrap().contains(&"--run=$(POD_UID)".into()), "{container}");
}
