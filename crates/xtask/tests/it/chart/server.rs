//! What a real API server makes of the chart.

use std::fs;
use std::time::Duration;

use caudal_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::helm::{BOTH, helm, identity, objects, output, rendered, root, text, values_files};
use super::plane::{file, namespace, on, plane};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_render_is_accepted_and_its_pods_are_restricted() {
    let plane = plane().await;
    for name in ["invoices", "reports", "shop"] {
        namespace(&plane, name).await;
    }
    let folder = TempDir::new().unwrap();
    for (name, _) in values_files() {
        let objects = rendered(&name);
        let pods = objects.iter().filter_map(pod);
        let objects: Vec<Value> =
            pods.chain(objects.iter().cloned()).map(|object| placed(object, "invoices")).collect();
        let file = file(&folder, &objects);
        let told = plane.kubectl(&["apply", "--server-side", "--dry-run=server", "--filename", &file]).await;
        assert!(told.is_ok(), "{name}: {told:?}");
    }
}

/// In its own namespace, or in the release's where it names none.
fn placed(mut object: Value, namespace: &str) -> Value {
    let cluster_wide = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"].map(Value::from);
    if object["metadata"]["namespace"].is_null() && !cluster_wide.contains(&object["kind"]) {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// A pod as the workload would make it.
fn pod(workload: &Value) -> Option<Value> {
    let template = workload["spec"].get("template")?;
    let mut spec = template["spec"].clone();
    if workload["spec"].get("volumeClaimTemplates").is_some() {
        spec["volumes"].as_array_mut()?.push(json!({ "name": "data", "emptyDir": {} }));
    }
    let metadata = json!({ "name": workload["metadata"]["name"], "labels": template["metadata"]["labels"] });
    Some(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }))
}

#[tokio::test]
async fn an_upgrade_from_the_first_chart_keeps_the_stores_their_passwords_and_the_workers_number() {
    let plane = plane().await;
    for program in BOTH {
        let namespace_of = format!("first-{program}");
        namespace(&plane, &namespace_of).await;
        let run = async |arguments: &[&str]| {
            plane.kubectl(&[&["--namespace", &namespace_of], arguments].concat()).await.unwrap()
        };
        let first = "crates/xtask/tests/it/chart/first";
        on(&plane, program, &["install", "caudal", first, "--namespace", &namespace_of]);
        // Nothing of them changes, so that neither Redis nor PostgreSQL is restarted.
        let stores = ["get", "statefulsets", "--output=jsonpath={.items[*].spec}"];
        let before = run(&stores).await;
        run(&["scale", "deployment/caudal-worker", "--replicas=5"]).await;

        on(&plane, program, &["upgrade", "caudal", "charts/caudal", "--namespace", &namespace_of]);
        assert_eq!(run(&stores).await, before, "{program}");
        let replicas = run(&["get", "deployment/caudal-worker", "--output=jsonpath={.spec.replicas}"]).await;
        assert_eq!(replicas, "5", "{program}");
        let passwords = run(&["get", "secret/caudal-auth", "--output=jsonpath={.data.*}"]).await;
        assert_eq!(passwords, "Zmlyc3Q= Zmlyc3Q=", "{program}");
    }
}

#[tokio::test]
async fn a_reinstall_takes_up_the_passwords_that_an_uninstall_left() {
    let plane = plane().await;
    namespace(&plane, "again").await;
    let passwords = ["--namespace", "again", "get", "secrets", "caudal-auth", "--output=jsonpath={.data}"];
    on(&plane, "helm", &["install", "caudal", "charts/caudal", "--namespace", "again"]);
    let first = plane.kubectl(&passwords).await.unwrap();
    assert!(first.contains("redis-password") && first.contains("postgres-password"), "{first}");
    on(&plane, "helm", &["uninstall", "caudal", "--namespace", "again"]);
    on(&plane, "helm", &["install", "caudal", "charts/caudal", "--namespace", "again"]);
    assert_eq!(plane.kubectl(&passwords).await.unwrap(), first);
}

#[tokio::test]
async fn releases_in_one_namespace_leave_each_other_alone() {
    let plane = plane().await;
    let long = "a-release-whose-name-is-as-long-as-helm-will-allow-it";
    // The first one is installed before its namespace is there, when the chart can look for no passwords in it.
    on(&plane, "helm", &["install", "caudal", "charts/caudal", "--namespace", "shared", "--create-namespace"]);
    for release in ["caudal-controller", long] {
        on(&plane, "helm", &["install", release, "charts/caudal", "--namespace", "shared"]);
    }
    let list = ["--namespace", "shared", "get", "queuescalers,deployments,roles", "--output=json"];
    let found: Value = serde_json::from_str(&plane.kubectl(&list).await.unwrap()).unwrap();
    let found = found["items"].as_array().unwrap();
    let of = |kind: &str| found.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();

    let mut labels: Vec<&str> = of("QueueScaler")
        .iter()
        .map(|scaler| scaler["metadata"]["labels"]["caudal.dev/controller"].as_str().unwrap())
        .collect();
    let mut controllers: Vec<&str> = of("Deployment").iter().filter_map(|deployment| release_of(deployment)).collect();
    labels.sort_unstable();
    controllers.sort_unstable();
    assert_eq!(labels, controllers);
    labels.dedup();
    // The Lease `caudal-controller` is the namespace's own: no release's may have that name.
    assert!(labels.len() == 3 && !labels.contains(&"caudal-controller"), "{labels:?}");
    for role in of("Role") {
        let leases = role["rules"].as_array().unwrap().iter().filter_map(|rule| rule["resourceNames"].as_array());
        let leases: Vec<&Value> = leases.flatten().collect();
        assert!(labels.iter().any(|label| leases.iter().any(|lease| lease == label)), "{}", identity(role));
    }
}

#[tokio::test]
async fn a_release_whose_service_is_there_as_another_ones_is_told_to_take_another_name() {
    let plane = plane().await;
    for (program, [first, second]) in BOTH.into_iter().zip([["caudal", "caudal-redis"], ["caudal-metrics", "caudal"]]) {
        let namespace_of = format!("meeting-{program}");
        namespace(&plane, &namespace_of).await;
        on(&plane, program, &["install", first, "charts/caudal", "--namespace", &namespace_of]);
        let install = ["install", second, "charts/caudal", "--namespace", &namespace_of];
        let told = output(helm(program).args(install).env("KUBECONFIG", plane.kubeconfig()));
        let told = String::from_utf8(told.stderr).unwrap();
        assert!(told.contains("fullnameOverride: ") && told.contains(&format!("the release {first:?}")), "{told}");
        on(&plane, program, &[&install[..], &["--set", "fullnameOverride=elsewhere"]].concat());
        // Its own are no obstacle to it.
        on(&plane, program, &["upgrade", first, "charts/caudal", "--namespace", &namespace_of]);
    }
}

/// In YAML such a text is a number or a truth unless it is quoted.
#[tokio::test]
async fn names_that_read_like_something_else_stay_names() {
    let plane = plane().await;
    for name in ["2024", "1e3"] {
        namespace(&plane, name).await;
    }
    let folder = TempDir::new().unwrap();
    let external = ["redis.external.existingSecret=1", "redis.external.urlKey=2", "redis.external.passwordKey=3"];
    let stores = ["redis.bundled=false", "postgresql.bundled=false", "redis.external.url=redis://redis"];
    let ledger = ["postgresql.external.existingSecret=4", "postgresql.external.urlKey=5"];
    let bundled =
        ["auth.existingSecret=6", "redis.persistence.storageClass=7", "postgresql.persistence.storageClass=8"];
    let named = ["nameOverride=2024", "fullnameOverride=true", "controller.serviceAccount.name=9"];
    let api = ["api.apiKeys.existingSecret=10", "test.apiKey.existingSecret=11", "test.apiKey.key=12"];
    let ingress = ["ingress.enabled=true", "ingress.hosts={13}", "ingress.className=14"];
    let more = ["networkPolicy.enabled=true", "controller.watchNamespaces={1e3}", "controller.secretNames={15}"];
    let monitoring = ["metrics.prometheusRule.enabled=true", "metrics.serviceMonitor.enabled=true"];
    for stores in [bundled.to_vec(), [&external[..], &stores, &ledger].concat()] {
        let mut template = helm("helm");
        template.args(["template", "2025", "charts/caudal", "--namespace", "2024"]);
        for value in [&stores[..], &named, &api, &ingress, &more, &monitoring].concat() {
            let truth = value.ends_with("=true") && !value.starts_with("fullname") || value.ends_with("=false");
            template.args([if truth { "--set" } else { "--set-string" }, value]);
        }
        let objects: Vec<Value> =
            objects(&text(&mut template)).into_iter().map(|object| placed(object, "2024")).collect();
        let pods: Vec<Value> = objects.iter().filter_map(pod).map(|object| placed(object, "2024")).collect();
        let file = file(&folder, &[objects, pods].concat());
        plane.kubectl(&["apply", "--server-side", "--dry-run=server", "--filename", &file]).await.unwrap();
    }
}

fn release_of(deployment: &Value) -> Option<&str> {
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array()?;
    variables.iter().find(|variable| variable["name"] == "CAUDAL_RELEASE")?["value"].as_str()
}

#[tokio::test]
async fn the_controller_may_scale_what_its_further_rules_name_wherever_it_looks() {
    let plane = plane().await;
    for name in ["scaling", "scaled"] {
        namespace(&plane, name).await;
    }
    let values = root().join("charts/caudal/ci/authority-values.yaml").display().to_string();
    let more = ["--set", "controller.watchNamespaces={scaled}"];
    on(
        &plane,
        "helm",
        &[&["install", "caudal", "charts/caudal", "--namespace", "scaling", "--values", &values], &more[..]].concat(),
    );
    let folder = TempDir::new().unwrap();
    for watched in ["scaling", "scaled"] {
        for (group, resource, may) in [("argoproj.io", "rollouts", "true"), ("apps", "replicasets", "false")] {
            let of = json!({ "namespace": watched, "verb": "patch", "group": group, "resource": resource, "subresource": "scale" });
            let asked = json!({ "user": "system:serviceaccount:scaling:caudal-controller", "resourceAttributes": of });
            let review =
                json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked });
            let path = folder.path().join("review.json");
            fs::write(&path, review.to_string()).unwrap();
            let review = ["create", "--output=jsonpath={.status.allowed}", "--filename", &path.display().to_string()];
            assert_eq!(plane.kubectl(&review).await.unwrap(), may, "{watched}, {resource}");
        }
    }
}

#[tokio::test]
async fn of_a_pod_the_controller_may_change_what_ending_it_costs_and_nothing_else() {
    let plane = plane().await;
    namespace(&plane, "guarded").await;
    on(&plane, "helm", &["install", "caudal", "charts/caudal", "--namespace", "guarded"]);
    let render = rendered("default-values.yaml");
    let worker = render.iter().find(|object| identity(object) == "Deployment/caudal-worker").unwrap();
    let folder = TempDir::new().unwrap();
    let given = file(&folder, &[pod(worker).unwrap()]);
    plane.kubectl(&["--namespace", "guarded", "create", "--filename", &given]).await.unwrap();

    let account = "system:serviceaccount:guarded:caudal-controller";
    let apply = async |change: &Value, more: &[&str]| {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "caudal-worker" } });
        pod["metadata"].as_object_mut().unwrap().extend(change["metadata"].as_object().cloned().unwrap_or_default());
        pod.as_object_mut().unwrap().extend(change.get("spec").map(|spec| ("spec".to_owned(), spec.clone())));
        let change = file(&folder, &[pod]);
        let apply = ["--namespace", "guarded", "apply", "--server-side", "--validate=false", "--as", account];
        plane.kubectl(&[&apply, more, &["--filename", &change]].concat()).await.map_err(|error| error.to_string())
    };
    let cost = json!({ "metadata": { "annotations": { "controller.kubernetes.io/pod-deletion-cost": "7" } } });
    let labels = json!({ "metadata": { "labels": { "app.kubernetes.io/component": "other" } } });
    let other = json!({ "metadata": { "annotations": { "example.com/mine": "1" } } });
    let image = json!({ "spec": { "containers": [{ "name": "worker", "image": "example.com/other:1" }] } });
    wait::until("the policy is in force", SOON, async || {
        let told = apply(&labels, &["--dry-run=server", "--force-conflicts"]).await;
        if told.as_ref().is_err_and(|told| told.contains("annotations alone")) { Ok(()) } else { Err(told) }
    })
    .await
    .unwrap();

    apply(&cost, &[]).await.unwrap();
    let refused = apply(&other, &[]).await.unwrap_err();
    assert!(refused.contains("pod-deletion-cost alone"), "{refused}");
    let refused = apply(&image, &["--force-conflicts"]).await.unwrap_err();
    assert!(refused.contains("annotations alone"), "{refused}");
    let annotations =
        ["--namespace", "guarded", "get", "pod/caudal-worker", "--output=jsonpath={.metadata.annotations}"];
    let left = plane.kubectl(&annotations).await.unwrap();
    assert_eq!(left, r#"{"controller.kubernetes.io/pod-deletion-cost":"7"}"#);
}
