//! The pinned Helms, and what they render.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use caudal_testkit::programs;
use serde_json::Value;

/// Both Helms that the chart is for, by their programs' names.
pub(crate) const BOTH: [&str; 2] = ["helm", "helm4"];

/// This repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The sets of values that the chart is tried with, each with its name.
pub(crate) fn values_files() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(root().join("charts/caudal/ci")).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect()
}

/// A Helm at the repository's root that knows no cluster. It is the pinned one, whatever `PATH` has.
pub(crate) fn helm(program: &str) -> Command {
    let mut helm = Command::new(programs::cache().join("bin").join(program));
    helm.current_dir(root()).env("KUBECONFIG", "/dev/null");
    helm
}

/// Its standard output, as [`output`] has it; it must not fail.
pub(crate) fn text(helm: &mut Command) -> String {
    let output = output(helm);
    assert!(output.status.success(), "{helm:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// How it ended and what it said.
pub(crate) fn output(helm: &mut Command) -> Output {
    helm.output().unwrap_or_else(|error| panic!("{helm:?}: {error}; `cargo xtask test` builds it"))
}

/// The objects of a render.
pub(crate) fn objects(render: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(render).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// The objects of the checked-in render of these values.
pub(crate) fn rendered(name: &str) -> Vec<Value> {
    objects(&fs::read_to_string(root().join("charts/caudal/ci/rendered").join(name)).unwrap())
}

/// The object's kind and name, `Kind/name`.
pub(crate) fn identity(object: &Value) -> String {
    format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
}
