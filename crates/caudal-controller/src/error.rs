//! What can go wrong with the API server, sorted by what the caller does about it.

use std::time::Duration;

/// How long the API server may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Why the controller cannot start, or one of its requests failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a service account nor a kubeconfig leads to an API server.
    #[error("no Kubernetes to work on: neither a service account nor a kubeconfig leads to one")]
    NoCluster(#[source] kube::Error),
    /// A part of the controller panicked: a mistake in the program.
    #[error("a part of the controller broke")]
    Broken(#[source] tokio::task::JoinError),
    /// The object is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// The object changed meanwhile: decide anew.
    #[error("{0} changed meanwhile")]
    Conflict(String),
    /// The API server refuses: permissions, or an object that is not allowed.
    #[error("the API server refuses {what}: {message}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The API server's words.
        message: String,
        /// The refusal.
        #[source]
        source: kube::Error,
    },
    /// The API server is away, slow or overloaded: try again later.
    #[error("the API server does not answer to {what}")]
    Unavailable {
        /// What was asked for.
        what: String,
        /// None when it took too long.
        #[source]
        source: Option<kube::Error>,
    },
}

impl Error {
    /// Waits for an answer of the API server, but not for ever. `what` names the object for the reader.
    pub(crate) async fn of<T>(what: &str, request: impl Future<Output = kube::Result<T>>) -> Result<T, Self> {
        match tokio::time::timeout(LIMIT, request).await {
            Ok(answer) => answer.map_err(|error| Self::sort(what.to_owned(), error)),
            Err(_) => Err(Self::Unavailable { what: what.to_owned(), source: None }),
        }
    }

    fn sort(what: String, error: kube::Error) -> Self {
        let status = match &error {
            kube::Error::Api(status) => status,
            // The group is there, and has no such kind.
            kube::Error::Discovery(_) => return Self::Missing(what),
            _ => return Self::Unavailable { what, source: Some(error) },
        };
        match status.code {
            404 => Self::Missing(what),
            409 => Self::Conflict(what),
            400..=428 | 430..=499 => Self::Refused { what, message: status.message.clone(), source: error },
            _ => Self::Unavailable { what, source: Some(error) },
        }
    }
}
