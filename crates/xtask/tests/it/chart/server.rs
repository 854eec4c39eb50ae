//! What a real API server makes of the chart.

use std::time::Duration;

use caudal_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::helm::{BOTH, identity, rendered, values_files};
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
        let objects: Vec<Value> = pods.chain(objects.iter().cloned()).map(placed).collect();
        let file = file(&folder, &objects);
        let told = plane.kubectl(&["apply", "--server-side", "--dry-run=server", "--filename", &file]).await;
        assert!(told.is_ok(), "{name}: {told:?}");
    }
}

/// In its own namespace, or in the release's where it names none.
fn placed(mut object: Value) -> Value {
    let cluster_wide = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"].map(Value::from);
    if object["metadata"]["namespace"].is_null() && !cluster_wide.contains(&object["kind"]) {
        object["metadata"]["namespace"] = "invoices".into();
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
async fn releases_in_one_namespace_leave_each_other_alone_whatever_their_names() {
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

fn release_of(deployment: &Value) -> Option<&str> {
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array()?;
    variables.iter().find(|variable| variable["name"] == "CAUDAL_RELEASE")?["value"].as_str()
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
