//! What one controller is told at its start.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// The flags of `caudal controller`.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// The release: this controller scales QueueScalers labelled `caudal.dev/controller=RELEASE`, and unlabelled ones where no other
    /// does
    #[arg(long, env = "CAUDAL_RELEASE", default_value = "caudal", value_name = "NAME")]
    pub release: String,
    /// The namespaces to look after, by commas, or * for all; by default its own
    #[arg(long, env = "CAUDAL_NAMESPACES", value_delimiter = ',', value_name = "NAMES")]
    pub namespaces: Vec<String>,
    /// Its own name in Leases and events
    #[arg(long, env = "HOSTNAME", default_value = "caudal-controller", value_name = "NAME")]
    pub pod: String,
    /// Its own pod's uid: the Leases of its namespace go when that pod has gone
    #[arg(long, env = "CAUDAL_POD_UID", value_name = "UID")]
    pub pod_uid: Option<String>,
}

impl Options {
    /// The owner of the Leases in the controller's own namespace: what an uninstalled release left there would be nobody's.
    pub(crate) fn owner(&self) -> Option<OwnerReference> {
        let uid = self.pod_uid.clone().filter(|uid| !uid.is_empty())?;
        let (api_version, kind) = ("v1".to_owned(), "Pod".to_owned());
        Some(OwnerReference { api_version, kind, name: self.pod.clone(), uid, ..OwnerReference::default() })
    }

    /// One entry for each namespace to watch; none stands for all of them.
    pub(crate) fn scopes(&self, own: &str) -> Vec<Option<String>> {
        if self.namespaces.iter().any(|namespace| namespace == "*") {
            return vec![None];
        }
        let named: BTreeSet<&str> =
            self.namespaces.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let scopes = if named.is_empty() { BTreeSet::from([own]) } else { named };
        scopes.into_iter().map(|name| Some(name.to_owned())).collect()
    }
}
