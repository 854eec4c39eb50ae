//! The write is bound to what was seen.

use std::sync::Arc;

use caudal_testkit::ControlPlane;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

use super::Target;
use crate::crd::ScaleTargetRef;
use crate::error::Error;
use crate::surroundings::Surroundings;

#[tokio::test]
async fn a_target_that_changed_since_it_was_seen_is_not_written() {
    let plane = ControlPlane::start().await.unwrap();
    let file = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    plane.kubectl(&["create", "deployment", "worker", "--image=worker", "--replicas=1"]).await.unwrap();

    let kind = "Deployment".to_owned();
    let reference = ScaleTargetRef { api_version: "apps/v1".to_owned(), kind, name: "worker".to_owned() };
    let (surroundings, news) = (Surroundings::default(), Arc::default());
    let target = Target::find(&client, &surroundings, "default", reference, news).await.unwrap();
    let seen = target.scale().await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(client, "default");
    let touch = Patch::Merge(json!({ "metadata": { "annotations": { "touched": "yes" } } }));
    deployments.patch("worker", &PatchParams::default(), &touch).await.unwrap();

    assert!(matches!(target.write(&seen, 5).await, Err(Error::Conflict(_))));
    let seen = target.scale().await.unwrap();
    assert_eq!(seen.replicas, 1);
    target.write(&seen, 5).await.unwrap();
    assert_eq!(target.scale().await.unwrap().replicas, 5);
}
