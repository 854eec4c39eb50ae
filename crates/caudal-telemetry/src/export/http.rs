//! The HTTP client of the exporter.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::crypto::ring;
use tokio::runtime::Handle;

/// Sends on the runtime it was made in, though the thread that waits for the answer is the exporter's own and knows no runtime.
#[derive(Clone, Debug)]
pub(super) struct Client {
    client: Arc<dyn HttpClient>,
    runtime: Handle,
}

impl Client {
    /// A client whose requests take `timeout` at most. The system's certificates are read only where TLS is spoken: an image for a
    /// plain collector may have none.
    pub(super) fn new(tls: bool, timeout: Duration) -> std::io::Result<Self> {
        let client: Arc<dyn HttpClient> = if tls {
            let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider())?;
            Arc::new(HyperClient::new(builder.https_or_http().enable_http1().build(), timeout, None))
        } else {
            Arc::new(HyperClient::with_default_connector(timeout, None))
        };
        Ok(Self { client, runtime: Handle::current() })
    }
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
