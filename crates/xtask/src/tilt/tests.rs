//! What the Tiltfile declares fits together, and fits the repository.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{Call, Tiltfile};
use crate::repository;

/// Those on which the Tiltfile does not do the same.
const SYSTEMS: [&str; 2] = ["Linux", "Darwin"];

fn names(tiltfile: &Tiltfile) -> BTreeSet<String> {
    let locals = tiltfile.calls("local_resource").map(|call| call.text("name").to_owned());
    let resources = tiltfile.calls("k8s_resource").map(|call| match call.text("new_name") {
        "" => call.text("workload").to_owned(),
        name => name.to_owned(),
    });
    locals.chain(resources).collect()
}

fn resource<'a>(tiltfile: &'a Tiltfile, workload: &str) -> &'a Call {
    tiltfile.calls("k8s_resource").find(|call| call.text("workload") == workload).unwrap()
}

#[test]
fn on_linux_a_compiled_program_gets_into_the_running_containers() {
    let tiltfile = Tiltfile::on("Linux");
    assert_eq!(tiltfile.calls("docker_build").count(), 0);
    let image = tiltfile.calls("docker_build_with_restart").next().unwrap();
    assert_eq!(image.text("ref"), "ghcr.io/caudal-dev/caudal");
    let syncs = image.syncs();
    let (from, to) = &syncs[0];
    assert!(from.starts_with(&format!("{}/", image.text("context"))), "{from} is outside the image's context");
    assert_eq!(image.texts("entrypoint"), [to.as_str()], "another program is started than is replaced");
    let compile = tiltfile.calls("local_resource").next().unwrap();
    assert!(compile.text("cmd").ends_with(&format!("cp target/debug/caudal {}/", image.text("context"))));
    let dockerfile = fs::read_to_string(repository::root().join(image.text("dockerfile"))).unwrap();
    assert!(dockerfile.contains(&format!("COPY --chown=65532:65532 caudal {to}\n")), "{dockerfile}");
    let values = fs::read_to_string(&tiltfile.values()[0]).unwrap();
    assert!(values.contains("\nreadOnlyRootFilesystem: false\n"), "nothing can be replaced in a read-only container");
}

#[test]
fn elsewhere_the_image_compiles_the_program_from_what_it_is_given() {
    let tiltfile = Tiltfile::on("Darwin");
    let compiled_here = ["docker_build_with_restart", "local_resource"];
    assert_eq!(compiled_here.map(|function| tiltfile.calls(function).count()), [0, 0]);
    let image = tiltfile.calls("docker_build").next().unwrap();
    assert_eq!((image.text("ref"), image.text("context")), ("ghcr.io/caudal-dev/caudal", "."));
    let given = image.texts("only");
    let dockerfile = fs::read_to_string(repository::root().join(image.text("dockerfile"))).unwrap();
    let copied =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ").filter(|copy| !copy.starts_with("--from=")));
    let copied: Vec<&str> = copied.flat_map(|copy| copy.rsplit_once(' ').unwrap().0.split(' ')).collect();
    assert!(
        !copied.is_empty() && copied.iter().all(|file| given.iter().any(|one| one == file)),
        "{copied:?}, {given:?}"
    );
}

#[test]
fn every_file_that_the_tiltfile_names_is_there() {
    SYSTEMS.map(Tiltfile::on).iter().for_each(assert_files);
}

fn assert_files(tiltfile: &Tiltfile) {
    let files: Vec<String> = [
        tiltfile.calls("k8s_yaml").flat_map(|call| call.texts("yaml")).collect(),
        tiltfile.calls("helm").flat_map(|call| [call.texts("pathToChartDir"), call.texts("values")].concat()).collect(),
        tiltfile.calls("local_resource").flat_map(|call| call.texts("deps")).collect(),
        tiltfile.calls("docker_build_with_restart").map(|call| call.text("dockerfile").to_owned()).collect(),
        tiltfile
            .calls("docker_build")
            .flat_map(|call| [call.texts("dockerfile"), call.texts("only")].concat())
            .collect(),
        tiltfile.calls("cmd_button").filter_map(|call| call.texts("argv").into_iter().nth(1)).collect::<Vec<_>>(),
    ]
    .concat();
    assert!(files.len() >= 9, "{files:?}");
    let missing: Vec<&String> = files.iter().filter(|file| !repository::root().join(file).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_waits_for_another_or_has_a_button_waits_for_and_belongs_to_something_that_is_declared() {
    SYSTEMS.map(Tiltfile::on).iter().for_each(assert_declared);
    let linux = Tiltfile::on("Linux");
    for workload in ["caudal-api", "caudal-worker", "caudal-controller"] {
        assert!(resource(&linux, workload).texts("resource_deps").contains(&"compile".to_owned()), "{workload}");
    }
}

fn assert_declared(tiltfile: &Tiltfile) {
    let names = names(tiltfile);
    let needed = tiltfile.calls("k8s_resource").flat_map(|call| call.texts("resource_deps"));
    let buttons = tiltfile.calls("cmd_button").map(|call| call.text("resource").to_owned());
    let unknown: Vec<String> = needed.chain(buttons).filter(|name| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not among {names:?}");
    assert!(resource(tiltfile, "caudal-controller").texts("resource_deps").contains(&"definition".to_owned()));
}

#[test]
fn a_laptop_reaches_the_api_and_the_stores_and_no_worker_is_no_fault() {
    SYSTEMS.map(Tiltfile::on).iter().for_each(assert_reached);
}

fn assert_reached(tiltfile: &Tiltfile) {
    assert_eq!(resource(tiltfile, "caudal-api").texts("port_forwards"), ["8001:8000", "9090:9090"]);
    assert_eq!(resource(tiltfile, "caudal-redis").texts("port_forwards"), ["6379:6379"]);
    assert_eq!(resource(tiltfile, "caudal-postgresql").texts("port_forwards"), ["5432:5432"]);
    assert_eq!(resource(tiltfile, "caudal-worker").text("pod_readiness"), "ignore");
    let unlabelled: Vec<&Call> =
        tiltfile.calls("k8s_resource").filter(|call| call.texts("labels").is_empty()).collect();
    assert!(unlabelled.is_empty(), "in no group: {unlabelled:?}");
}

#[test]
fn the_button_kills_a_worker_of_the_release_and_of_no_other() {
    let render = fs::read_to_string(repository::root().join("charts/caudal/ci/rendered/default-values.yaml")).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&render).unwrap();
    let worker = objects.iter().find(|one| one["kind"] == "Deployment" && one["metadata"]["name"] == "caudal-worker");
    let labels = worker.unwrap()["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let labels = labels.iter().map(|(label, value)| format!("{label}={}", value.as_str().unwrap()));
    let argv = Tiltfile::on("Linux").button("kill").unwrap();
    let script = fs::read_to_string(repository::root().join(&argv[1])).unwrap();
    let of = script.lines().find_map(|line| line.strip_prefix("of=")).unwrap();
    assert_eq!(of.split(',').map(str::to_owned).collect::<BTreeSet<_>>(), labels.collect());
}
