//! The chart's file and the code say the same, and every field explains itself.

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use super::{crd, crd_yaml};

#[test]
fn the_charts_file_is_what_the_code_defines() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/caudal/crds/queuescalers.caudal.dev.yaml");
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let hint = format!("write it anew: cargo run -p caudal -- crd > {}", file.display());
    assert!(written == crd_yaml().unwrap(), "{hint}");
}

#[test]
fn every_field_of_the_spec_explains_itself() {
    let definition = crd();
    let schema =
        definition.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.clone()).unwrap();
    let properties = schema.properties.unwrap();
    let silent: Vec<String> = ["spec", "status"].iter().flat_map(|&root| silent(&properties[root], root)).collect();
    assert!(silent.is_empty(), "no text for kubectl explain: {silent:?}");
}

fn silent(schema: &JSONSchemaProps, path: &str) -> Vec<String> {
    let own = schema.description.as_deref().unwrap_or_default().is_empty().then(|| path.to_owned());
    let children =
        schema.properties.iter().flatten().flat_map(|(name, child)| silent(child, &format!("{path}.{name}")));
    own.into_iter().chain(children).collect()
}
