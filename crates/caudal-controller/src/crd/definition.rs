//! The `CustomResourceDefinition` as the API server gets it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

use super::QueueScaler;

/// The definition of `queuescalers.caudal.dev`.
pub fn crd() -> CustomResourceDefinition {
    let mut definition = QueueScaler::crd();
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    definition
}

/// The definition as the file `crds/queuescalers.caudal.dev.yaml` of the chart.
///
/// # Errors
/// What the YAML writer refuses; nothing it is known to.
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&crd())
}

/// Makes the schema what Kubernetes expects: an explicit null is a mistake, not a value (rules could not compare it), and integers
/// have a format the API server knows.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = Some("int32".to_owned());
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        tidy(item);
    }
}
