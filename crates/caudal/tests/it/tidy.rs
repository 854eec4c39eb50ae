//! The rules of the house, checked over the whole workspace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// No file is longer.
const LONGEST: usize = 400;

/// The controller and what it alone is made of have fewer lines of code together: without tests, blank lines and comments.
const CONTROLLER: ([&str; 3], usize) = (["caudal-scaling", "caudal-source", "caudal-controller"], 4_000);

/// A crate may depend on crates of lower rank only.
const RANKS: [(&str, u32); 13] = [
    ("caudal-invoice", 0),
    ("caudal-scaling", 0),
    ("caudal-telemetry", 0),
    ("caudal-redis", 0),
    ("caudal-queue", 1),
    ("caudal-source", 1),
    ("caudal-ledger", 1),
    ("caudal-api", 2),
    ("caudal-worker", 2),
    ("caudal-controller", 2),
    ("caudal", 3),
    ("caudal-testkit", 4),
    ("xtask", 5),
];

/// Who alone may use what.
const RESERVED: [(&str, &[&str]); 4] = [
    ("redis", &["caudal-redis", "caudal-queue", "caudal-source"]),
    ("sqlx", &["caudal-ledger"]),
    ("kube", &["caudal-controller"]),
    ("anyhow", &["caudal", "xtask"]),
];

#[test]
fn every_source_file_says_its_job_and_stays_short() {
    let mut sources = Vec::new();
    collect(&root().join("crates"), &mut sources);
    assert!(sources.len() > 50, "the sources were not found");
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines < LONGEST, "{} has {lines} lines", path.display());
        let told = text.starts_with("//!") || text.starts_with("#![doc = include_str!");
        assert!(told, "{} does not begin with its job", path.display());
        assert!(path.file_name().is_none_or(|name| name != "mod.rs"), "{} is a mod.rs", path.display());
    }
}

#[test]
fn the_controller_stays_small() {
    let (crates, most) = CONTROLLER;
    let mut sources = Vec::new();
    crates.iter().for_each(|name| collect(&root().join("crates").join(name).join("src"), &mut sources));
    sources.retain(|path| !path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs"));
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines: usize = sources.iter().map(|path| fs::read_to_string(path).unwrap().lines().filter(code).count()).sum();
    assert!(lines > most / 2, "the sources were not found");
    assert!(lines < most, "{lines} lines of code");
}

#[test]
fn every_edge_between_crates_goes_downwards() {
    let ranks = BTreeMap::from(RANKS);
    for (package, dependency, kind) in edges() {
        let (Some(from), Some(to)) = (ranks.get(package.as_str()), ranks.get(dependency.as_str())) else { continue };
        let for_tests = kind == "dev" && dependency == "caudal-testkit";
        assert!(to < from || for_tests, "{package} depends on {dependency}");
    }
}

#[test]
fn every_crate_has_its_rank() {
    let ranks = BTreeMap::from(RANKS);
    for (package, ..) in edges() {
        assert!(ranks.contains_key(package.as_str()), "{package} has no rank");
    }
}

#[test]
fn redis_sql_and_kubernetes_are_known_to_their_own_crates_alone() {
    let owners = BTreeMap::from(RESERVED);
    for (package, dependency, kind) in edges() {
        let Some(owners) = owners.get(dependency.as_str()) else { continue };
        assert!(kind == "dev" || owners.contains(&package.as_str()), "{package} depends on {dependency}");
    }
}

/// Every direct dependency in the workspace: package, dependency, kind (`normal`, `dev` or `build`).
fn edges() -> Vec<(String, String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let kind = text(&dependency["kind"]).unwrap_or_else(|| "normal".to_owned());
            edges.push((text(&package["name"]).unwrap(), text(&dependency["name"]).unwrap(), kind));
        }
    }
    edges
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
