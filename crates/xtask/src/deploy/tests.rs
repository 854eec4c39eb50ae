//! The workflows and the README name what this repository has, and a laptop's port leads to the API.

use std::fs;

use serde_json::{Value, json};

use crate::{image::CAUDAL, repository};

fn read(file: &str) -> String {
    fs::read_to_string(repository::root().join(file)).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap()
}

/// The steps of all jobs.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    jobs.filter_map(|job| job["steps"].as_array()).flatten().collect()
}

fn scripts(workflow: &Value) -> String {
    steps(workflow).iter().filter_map(|step| step["run"].as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_change_is_tried_by_the_one_command_that_tries_all() {
    let ci = yaml(".github/workflows/ci.yaml");
    assert!(scripts(&ci).lines().any(|line| line.ends_with("bash .ci/run")), "{ci}");
    assert!(repository::root().join(".ci/run").is_file());
    assert_eq!((&ci["on"]["push"]["branches"], ci["on"].get("pull_request")), (&json!(["main"]), Some(&json!(null))));
}

#[test]
fn a_tag_publishes_the_image_that_the_chart_asks_for_and_the_chart_itself() {
    let (release, values) = (yaml(".github/workflows/release.yaml"), yaml("charts/caudal/values.yaml"));
    assert_eq!(release["on"]["push"]["tags"], json!(["v*"]));
    let asked = ["registry", "repository"].map(|part| values["image"][part].as_str().unwrap());
    let image = release["env"]["IMAGE"].as_str().unwrap();
    assert_eq!(image, asked.join("/"));
    assert_eq!(CAUDAL.split_once(':').unwrap().0, image);
    let charts = release["env"]["CHARTS"].as_str().unwrap();
    assert_eq!(charts, format!("oci://{}/charts", image.rsplit_once('/').unwrap().0));
    let scripts = scripts(&release);
    for command in ["helm package charts/caudal ", "helm push \"dist/caudal-$VERSION.tgz\"", "sha256sum -- *"] {
        assert!(scripts.contains(command), "{command} is not in\n{scripts}");
    }
}

#[test]
fn nothing_is_published_before_every_test_has_passed() {
    let (release, ci) = (yaml(".github/workflows/release.yaml"), yaml(".github/workflows/ci.yaml"));
    assert_eq!(ci["on"].get("workflow_call"), Some(&json!(null)));
    let jobs = release["jobs"].as_object().unwrap();
    let publishing: Vec<&String> = jobs.keys().filter(|name| jobs[*name].get("permissions").is_some()).collect();
    assert!(publishing.len() > 1, "{publishing:?}");
    for job in publishing {
        assert!(waits_for_tests(&release["jobs"], job), "{job} does not wait for the tests");
    }
}

/// Whether the job, or one that it needs, is the tests.
fn waits_for_tests(jobs: &Value, name: &str) -> bool {
    let job = &jobs[name];
    let needed = job["needs"].as_array().into_iter().flatten().chain(job["needs"].is_string().then_some(&job["needs"]));
    job["uses"] == "./.github/workflows/ci.yaml"
        || needed.into_iter().any(|one| waits_for_tests(jobs, one.as_str().unwrap()))
}

#[test]
fn the_crates_and_the_chart_have_the_version_that_a_tag_is_compared_with() {
    let version = env!("CARGO_PKG_VERSION");
    let has =
        |file: &str, line: String| assert!(read(file).lines().any(|found| found == line), "{line} is not in {file}");
    has("Cargo.toml", format!("version = \"{version}\""));
    has("charts/caudal/Chart.yaml", format!("version: {version}"));
    has("charts/caudal/Chart.yaml", format!("appVersion: {version}"));
}

#[test]
fn a_workflow_uses_actions_of_named_versions_and_no_secret_but_githubs_own_token() {
    for file in ["ci", "release"] {
        let file = format!(".github/workflows/{file}.yaml");
        let workflow = yaml(&file);
        for action in steps(&workflow).iter().filter_map(|step| step["uses"].as_str()) {
            let version = action.split_once("@v").map_or("", |(_, version)| version);
            let named = version.split('.').filter(|part| part.parse::<u32>().is_ok()).count() == 3;
            assert!(named, "{file}: {action} may become another tomorrow");
        }
        let text = read(&file);
        let secrets: Vec<_> = text.split("secrets.").skip(1).map(|rest| rest.split(' ').next().unwrap()).collect();
        assert!(secrets.iter().all(|secret| *secret == "GITHUB_TOKEN"), "{file}: {secrets:?}");
        assert_eq!(workflow["permissions"], json!({"contents": "read"}), "a job that needs more asks for it itself");
    }
}

#[test]
fn a_laptops_port_leads_to_the_api_of_the_chart() {
    let (kind, service) = (yaml("deploy/kind.yaml"), yaml("deploy/kind-service.yaml"));
    let mapping = &kind["nodes"][0]["extraPortMappings"][0];
    assert_eq!((&mapping["hostPort"], &mapping["listenAddress"]), (&json!(8000), &json!("127.0.0.1")));
    let port = &service["spec"]["ports"][0];
    assert_eq!((&port["nodePort"], &service["spec"]["type"]), (&mapping["containerPort"], &json!("NodePort")));
    let api = read("charts/caudal/templates/api.yaml");
    let name = port["targetPort"].as_str().unwrap();
    assert!(api.contains(&format!("- {{name: {name}, containerPort: 8000}}")), "{api}");
}

/// What stands behind `mark` in a file, up to the next blank.
fn pinned(file: &str, mark: &str) -> String {
    let text = read(file);
    let rest = text.split_once(mark).unwrap_or_else(|| panic!("{mark} is not in {file}")).1;
    rest.split([' ', '"', '\n']).next().unwrap().to_owned()
}

#[test]
fn the_versions_that_the_readme_calls_tested_are_those_that_tests_pin() {
    let helm = ["helm/go.mod\thelm.sh/helm/v3 v", "helm4/go.mod\thelm.sh/helm/v4 v"].map(|place| {
        let (file, mark) = place.split_at(place.find('\t').unwrap());
        pinned(&format!("crates/xtask/go/{file}"), mark)
    });
    let rows = [
        ("Kubernetes", pinned("crates/xtask/go/kubernetes/go.mod", "\tk8s.io/kubernetes v")),
        ("Helm", helm.join(", ")),
        ("Rust, to build it", pinned("Cargo.toml", "rust-version = \"")),
        ("the original's Celery, to take over from", pinned("crates/xtask/python/celery.txt", "celery==")),
    ];
    let readme = read("README.md");
    for (what, version) in rows {
        let row = readme.lines().find(|line| line.starts_with(&format!("| {what} |"))).unwrap();
        assert!(row.ends_with(&format!("| {version} |")), "{row}: tested is {version}");
    }
    assert!(pinned("charts/caudal/Chart.yaml", "kubeVersion: \">=").starts_with("1.30."));
}
