//! The HTTP client of the exporter.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

use super::Trust;

/// Sends on the runtime it was made in, though the thread that waits for the answer is the exporter's own and knows no runtime.
#[derive(Clone, Debug)]
pub(super) struct Client {
    client: Arc<dyn HttpClient>,
    runtime: Handle,
}

impl Client {
    /// A client whose requests take `timeout` at most.
    pub(super) fn new(trust: &Trust, timeout: Duration) -> io::Result<Self> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match trust {
            Trust::Plain => None,
            Trust::System => Some(builder.with_provider_and_native_roots(ring::default_provider())?),
            Trust::Authorities(pem) => Some(builder.with_tls_config(tls(pem).map_err(io::Error::other)?)),
        };
        let client: Arc<dyn HttpClient> = match builder {
            None => Arc::new(HyperClient::with_default_connector(timeout, None)),
            Some(builder) => Arc::new(HyperClient::new(builder.https_or_http().enable_http1().build(), timeout, None)),
        };
        Ok(Self { client, runtime: Handle::current() })
    }
}

fn tls(pem: &[u8]) -> Result<ClientConfig, Box<dyn Error + Send + Sync>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities(pem)?).with_no_client_auth())
}

/// The certificates of a PEM text, of which there must be one at least.
pub(super) fn authorities(pem: &[u8]) -> Result<RootCertStore, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("there is no certificate in the file".into()) } else { Ok(roots) }
}

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let client = Arc::clone(&self.client);
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await });
        Box::pin(async move { sent.await? })
    }
}
