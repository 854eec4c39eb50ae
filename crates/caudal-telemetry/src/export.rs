//! Where spans go: the exporter that the standard `OTEL_*` variables ask for.

mod http;

use std::time::Duration;
use std::{env, io};

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig, WithTonicConfig};

/// The variable for traces alone comes before the one for every signal.
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const CERTIFICATE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

const GRPC: &str = "grpc";
const HTTP: &str = "http/protobuf";
/// Where collectors take OTLP over HTTP, unless told otherwise.
const HTTP_PORT: &str = ":4318";

/// How long one export may take where the environment does not say.
const LONGEST_EXPORT: Duration = Duration::from_secs(10);

/// Why spans cannot be exported as the environment asks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{variable}: {given} is not spoken here, only {GRPC} and {HTTP} are")]
    Protocol { variable: &'static str, given: String },
    #[error("the collector's address cannot be used")]
    Exporter(#[from] ExporterBuildError),
    #[error("the certificates a collector is checked against cannot be used")]
    Certificates(#[from] io::Error),
}

/// Whom the exporter believes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    /// Anyone: the collector is spoken to without TLS.
    Plain,
    /// Whom the system trusts.
    System,
    /// Who shows a certificate signed by one of these, which are PEM.
    Authorities(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Grpc,
    Http,
}

/// Whether the environment names a collector and does not switch traces off.
pub(crate) fn is_wanted() -> bool {
    let is = |name, value| read(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    first(ENDPOINT, read).is_some() && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

/// The exporter. Must be called inside a tokio runtime, whose threads it uses.
pub(crate) fn exporter() -> Result<SpanExporter, Error> {
    let trust = trust(read)?;
    Ok(match protocol(read)? {
        Protocol::Grpc => {
            let builder = SpanExporter::builder().with_tonic();
            let tls = ClientTlsConfig::new();
            match trust {
                Trust::Plain => builder,
                // Left alone the exporter trusts nobody.
                Trust::System => builder.with_tls_config(tls.with_enabled_roots()),
                Trust::Authorities(pem) => builder.with_tls_config(tls.ca_certificate(Certificate::from_pem(pem))),
            }
            .build()?
        }
        Protocol::Http => {
            let client = http::Client::new(&trust, timeout(read))?;
            SpanExporter::builder().with_http().with_http_client(client).build()?
        }
    })
}

/// The system's certificates are asked for only where TLS is spoken: an image for a plain collector may have none.
fn trust(read: impl Fn(&str) -> Option<String>) -> io::Result<Trust> {
    if first(ENDPOINT, &read).is_none_or(|(_, endpoint)| endpoint.starts_with("http://")) {
        return Ok(Trust::Plain);
    }
    let named = first(CERTIFICATE, read).map(|(_, path)| std::fs::read(path)).transpose()?;
    Ok(named.map_or(Trust::System, Trust::Authorities))
}

/// What the environment says, else what the collector's port suggests.
fn protocol(read: impl Fn(&str) -> Option<String>) -> Result<Protocol, Error> {
    match first(PROTOCOL, &read) {
        Some((_, named)) if named == GRPC => Ok(Protocol::Grpc),
        Some((_, named)) if named == HTTP => Ok(Protocol::Http),
        Some((variable, given)) => Err(Error::Protocol { variable, given }),
        None => {
            let endpoint = first(ENDPOINT, &read).map(|(_, endpoint)| endpoint).unwrap_or_default();
            let address = endpoint.split_once("://").map_or(&*endpoint, |(_, address)| address);
            let authority = address.split('/').next().unwrap_or_default();
            Ok(if authority.ends_with(HTTP_PORT) { Protocol::Http } else { Protocol::Grpc })
        }
    }
}

/// How long one export may take; the variables are in milliseconds.
fn timeout(read: impl Fn(&str) -> Option<String>) -> Duration {
    let named = first(TIMEOUT, read).and_then(|(_, text)| text.parse().ok());
    named.map_or(LONGEST_EXPORT, Duration::from_millis)
}

/// The first of these variables that says something, with what it says.
fn first(names: [&'static str; 2], read: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| read(name).map(|value| (name, value)))
}

fn read(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
