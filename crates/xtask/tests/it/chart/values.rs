//! Values that cannot work are refused with the value's name, those that can are not.

use std::fs;

use serde_json::json;

use super::helm::{BOTH, helm, output, text, values_files};

/// What is set, and what the refusal must say: the value's name and what is wrong with it.
const REFUSED: [(&[&str], &[&str]); 32] = [
    (&["api.replicaCount=two"], &["/api/replicaCount", "integer"]),
    (&["api.replicas=2"], &["/api", "replicas"]),
    (&["api.maxBacklog=0"], &["/api/maxBacklog", "minimum"]),
    (&["api.service.port=70000"], &["/api/service/port", "maximum"]),
    (&["api.onDuplicate=ignore"], &["/api/onDuplicate", "conflict", "replay"]),
    (&["api.resources.limits.memory=lots"], &["/api/resources/limits/memory", "lots"]),
    (&["api.podDisruptionBudget.maxUnavailable=0"], &["/api/podDisruptionBudget/maxUnavailable"]),
    (&["queue=two words"], &["/queue", "two words"]),
    (&["log.format=xml"], &["/log/format", "text", "json"]),
    (&["image.digest=sha256:12"], &["/image/digest", "sha256:12"]),
    (&["image.pullPolicy=Sometimes"], &["/image/pullPolicy", "IfNotPresent"]),
    (&["telemetry.otlp.endpoint=collector:4317"], &["/telemetry/otlp/endpoint", "collector:4317"]),
    (&["fullnameOverride=Caudal"], &["/fullnameOverride", "Caudal"]),
    (&["worker.terminationGracePeriodSeconds=0"], &["/worker/terminationGracePeriodSeconds"]),
    (&["controller.watchNamespaces={*}"], &["/controller/watchNamespaces/0"]),
    (&["redis.external.url=redis://:secret@host"], &["/redis/external/url"]),
    (&["redis.persistence.size=big"], &["/redis/persistence/size", "big"]),
    (&["redis.maxMemory=2gb"], &["redis.maxMemory", "redis.resources.limits.memory"]),
    (&["redis.maxMemory=1gb"], &["redis.maxMemory: 1gb", "redis.resources.limits.memory, 1Gi"]),
    (&["redis.maxMemory=0kb"], &["redis.maxMemory: 0kb"]),
    (&["redis.resources.limits.memory=805306368"], &["redis.maxMemory: 768mb", "limits.memory, 805306368:"]),
    (&["redis.resources.limits.memory=-1"], &["/redis/resources/limits/memory", "minimum"]),
    (&["api.apiKeys.existingSecret=clients"], &["test.apiKey.existingSecret", "api.apiKeys.existingSecret"]),
    (&["worker.extraVolumeMounts[0].name=authority"], &["/worker/extraVolumeMounts/0", "mountPath"]),
    (&["ingress.enabled=true"], &["ingress.hosts"]),
    (&["autoscaling.minReplicas=11"], &["autoscaling.minReplicas", "autoscaling.maxReplicas"]),
    (&["controller.enabled=false"], &["controller.enabled", "autoscaling.enabled"]),
    (&["controller.enabled=false", "controller.only=true"], &["controller.enabled", "controller.only"]),
    (&["controller.serviceAccount.create=false"], &["controller.serviceAccount.name"]),
    (&["redis.bundled=false"], &["redis.external.existingSecret"]),
    (&["redis.bundled=false", "redis.external.existingSecret=stores"], &["redis.external.url"]),
    (&["postgresql.bundled=false"], &["postgresql.external.existingSecret"]),
];

#[test]
fn both_helms_find_no_fault() {
    for program in BOTH {
        for (name, file) in values_files() {
            let mut lint = helm(program);
            let said = text(lint.args(["lint", "--strict", "charts/caudal", "--values"]).arg(file));
            assert!(said.contains("0 chart(s) failed"), "{program} {name}: {said}");
        }
    }
}

#[test]
fn what_cannot_work_is_refused_by_its_name() {
    for program in BOTH {
        for (set, wanted) in REFUSED {
            let said = refusal(program, "caudal", &[&["auth.existingSecret=passwords"], set].concat());
            assert!(wanted.iter().all(|word| said.contains(word)), "{program} {set:?}: {said}");
        }
    }
}

#[test]
fn memory_may_be_written_in_each_of_its_ways() {
    let whole = json!(1_073_741_824);
    for limit in [whole, json!("1073741824"), json!("806M"), json!("1T"), json!("1.5Gi"), json!(null)] {
        let redis = json!({ "resources": { "limits": { "memory": limit } } });
        let values = json!({ "auth": { "existingSecret": "passwords" }, "redis": redis });
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), values.to_string()).unwrap();
        for program in BOTH {
            text(helm(program).args(["template", "caudal", "charts/caudal", "--values"]).arg(file.path()));
        }
    }
}

#[test]
fn without_a_cluster_to_look_into_no_passwords_are_made() {
    for program in BOTH {
        let said = refusal(program, "caudal", &[]);
        assert!(said.contains("auth.existingSecret") && said.contains("redis-password"), "{program}: {said}");
    }
}

#[test]
fn a_release_that_services_cannot_be_named_after_is_told_what_to_set() {
    let said = refusal("helm", "1st", &["auth.existingSecret=passwords"]);
    assert!(said.contains("fullnameOverride") && said.contains("1st"), "{said}");
    let named =
        ["template", "1st", "charts/caudal", "--set", "auth.existingSecret=p", "--set", "fullnameOverride=first"];
    assert!(text(helm("helm").args(named)).contains("name: first-api"));
}

/// The schema must not stand in the way of a chart that has this one among its dependencies.
#[test]
fn a_parent_chart_may_switch_it_and_hand_global_values_down() {
    let set = "auth.existingSecret=p,global.imageRegistry=registry.example.com,enabled=true";
    text(helm("helm").args(["template", "caudal", "charts/caudal", "--set", set]));
}

/// What is said when the chart is not rendered with these values.
fn refusal(program: &str, release: &str, set: &[&str]) -> String {
    let mut template = helm(program);
    template.args(["template", release, "charts/caudal"]);
    for value in set {
        template.args(["--set", value]);
    }
    let output = output(&mut template);
    assert!(!output.status.success(), "{program} renders {set:?}");
    String::from_utf8(output.stderr).unwrap()
}
