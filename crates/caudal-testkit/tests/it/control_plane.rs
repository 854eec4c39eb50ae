//! The control plane is a real one: it validates, keeps what it is told and goes away with its value.

use std::{net::TcpStream, path::Path, process::Command, time::Duration};

use caudal_testkit::{ControlPlane, programs, wait};

#[tokio::test]
async fn what_is_stored_is_validated_and_kept() {
    let plane = ControlPlane::start().await.unwrap();
    plane.kubectl(&["create", "configmap", "cup", "--from-literal=of=tea"]).await.unwrap();
    let kept = plane.kubectl(&["get", "configmap", "cup", "--output=jsonpath={.data.of}"]).await.unwrap();
    assert_eq!(kept, "tea");

    let refused = plane.kubectl(&["create", "deployment", "Not_A_Name", "--image=none"]).await.unwrap_err();
    assert!(refused.to_string().contains("metadata.name"), "{refused}");
}

#[tokio::test]
async fn users_may_do_only_what_their_role_allows() {
    let plane = ControlPlane::start().await.unwrap();
    let ana = plane.kubeconfig_for("ana", "ana", &["readers"]).unwrap();
    may_list_pods(&ana).unwrap_err();
    plane.kubectl(&["create", "clusterrole", "reader", "--verb=list", "--resource=pods"]).await.unwrap();
    plane.kubectl(&["create", "clusterrolebinding", "ana", "--clusterrole=reader", "--group=readers"]).await.unwrap();
    wait::until("the role counts", Duration::from_secs(20), async || may_list_pods(&ana)).await.unwrap();
}

#[tokio::test]
async fn two_stand_side_by_side_and_nothing_is_left_of_them() {
    let (one, other) = tokio::try_join!(ControlPlane::start(), ControlPlane::start()).unwrap();
    assert_ne!(one.url(), other.url());
    let address = one.url().trim_start_matches("https://").to_owned();
    let folder = one.kubeconfig().parent().unwrap().to_owned();
    TcpStream::connect(&address).unwrap();

    drop(one);
    TcpStream::connect(&address).unwrap_err();
    assert!(!folder.exists());
    other.kubectl(&["get", "--raw", "/readyz"]).await.unwrap();
}

fn may_list_pods(kubeconfig: &Path) -> Result<(), String> {
    let kubectl = programs::find("kubectl").map_err(|error| error.to_string())?;
    let mut ask = Command::new(kubectl);
    ask.args(["auth", "can-i", "list", "pods"]).env("KUBECONFIG", kubeconfig);
    ask.env("KUBECACHEDIR", kubeconfig.with_file_name("kubectl"));
    let asked = ask.output().map_err(|error| error.to_string())?;
    asked.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&asked.stdout).into_owned())
}
