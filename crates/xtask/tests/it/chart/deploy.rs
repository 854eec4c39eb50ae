//! What `deploy/` has for Kubernetes is taken by an API server, by the commands that its files tell.

use std::env;
use std::fs;
use std::process::Command;

use caudal_testkit::{ControlPlane, documents, programs};
use serde_json::Value;

use super::helm::{objects, root};
use super::plane::{namespace, plane};

#[tokio::test]
async fn the_manifests_are_installed_by_the_commands_they_begin_with() {
    let plane = plane().await;
    let mut done: Vec<String> = Vec::new();
    for file in ["caudal.yaml", "controller.yaml"] {
        let text = fs::read_to_string(root().join("deploy/kubernetes").join(file)).unwrap();
        let commands = commands(&text);
        assert!(commands.len() > 2, "{file}: {commands:?}");
        for command in commands {
            if done.contains(&command) {
                continue;
            }
            run(&plane, &command);
            done.push(command);
        }
    }
    let workers = ["--namespace", "caudal", "get", "queuescaler/caudal-worker", "deployment/caudal-worker"];
    plane.kubectl(&workers).await.unwrap();
}

#[tokio::test]
async fn the_commands_of_the_charts_readme_do_what_they_say() {
    // By itself, for they name no namespace.
    let plane = ControlPlane::start().await.unwrap();
    for watched in ["shop", "reports"] {
        namespace(&plane, watched).await;
    }
    let readme = fs::read_to_string(root().join("charts/caudal/README.md")).unwrap();
    let blocks = documents::blocks(&readme);
    assert!(blocks.len() > 3 && blocks.iter().all(|block| block.runner == "server"), "{blocks:?}");
    for block in blocks {
        run(&plane, &block.script);
    }
    let controllers = ["get", "deployments", "--all-namespaces", "--output=name", "--selector"];
    let controllers = plane.kubectl(&[&controllers[..], &["app.kubernetes.io/component=controller"]].concat()).await;
    assert_eq!(controllers.unwrap().lines().count(), 3);
}

/// Runs a script of a document as it stands there.
fn run(plane: &ControlPlane, script: &str) {
    let path = env::var("PATH").unwrap();
    let mut shell = Command::new("sh");
    shell.current_dir(root()).args(["-e", "-c", script]).env("KUBECONFIG", plane.kubeconfig());
    shell.env("PATH", format!("{}:{path}", programs::cache().join("bin").display()));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The commands of a file's first comment, each indented there.
fn commands(text: &str) -> Vec<String> {
    let comment = text.lines().take_while(|line| line.starts_with('#'));
    let indented: Vec<&str> = comment.filter_map(|line| line.strip_prefix("#     ")).collect();
    indented.join("\n").replace("\\\n", " ").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn there_is_an_example_for_every_kind_of_queue() {
    let plane = plane().await;
    namespace(&plane, "examples").await;
    let mut sources = Vec::new();
    for entry in fs::read_dir(root().join("deploy/examples/queuescalers")).unwrap() {
        let path = entry.unwrap().path();
        let example: Vec<Value> = objects(&fs::read_to_string(&path).unwrap());
        sources.extend(example[0]["spec"]["source"].as_object().unwrap().keys().cloned());
        let apply = ["--namespace", "examples", "apply", "--server-side", "--dry-run=server", "--filename"];
        plane.kubectl(&[apply.as_slice(), &[&path.display().to_string()]].concat()).await.unwrap();
    }
    sources.sort_unstable();
    assert_eq!(sources, ["caudal", "celery", "list", "sortedSet", "stream"]);
}
