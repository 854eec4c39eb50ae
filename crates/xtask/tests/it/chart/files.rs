//! The files that are made from the chart are as it makes them, by both Helms, and tell of every value.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::helm::{helm, identity, objects, rendered, root, text, values_files};

#[test]
fn the_readme_and_the_renders_are_as_the_chart_makes_them() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["chart", "--check"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn helm_4_renders_what_helm_3_does() {
    for (name, file) in values_files() {
        let mut helm = helm("helm4");
        helm.args(["template", "caudal", "charts/caudal", "--namespace", "invoices", "--values"]).arg(file);
        let found = by_identity(objects(&text(&mut helm)));
        let wanted = by_identity(rendered(&name));
        assert!(found.keys().eq(wanted.keys()), "{name}: {:?}", found.keys());
        for (object, made) in found {
            assert_eq!(made, wanted[&object], "{name}: {object}");
        }
    }
}

fn by_identity(objects: Vec<Value>) -> BTreeMap<String, Value> {
    objects
        .into_iter()
        .map(|object| (format!("{}{}", identity(&object), object["metadata"]["namespace"]), object))
        .collect()
}

#[test]
fn every_value_is_explained_in_the_readme() {
    let readme = fs::read_to_string(root().join("charts/caudal/README.md")).unwrap();
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| Key |"))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 50, "{rows:?}");
    for row in rows {
        assert!(row.last().is_some_and(|text| !text.is_empty()), "{row:?} says nothing");
    }
}
