//! Where spans go: the exporter that the standard `OTEL_*` variables ask for.

mod http;

use std::time::Duration;
use std::{env, fs, io};

use axum::http::Uri;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig, WithTonicConfig};

/// The variable for traces alone comes before the one for every signal.
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const CERTIFICATE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const COMPRESSION: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

const GRPC: &str = "grpc";
const HTTP: &str = "http/protobuf";
/// Where collectors take OTLP over HTTP, unless told otherwise.
const HTTP_PORT: &str = ":4318";

/// How long one export may take where the environment does not say.
const LONGEST_EXPORT: Duration = Duration::from_secs(10);

/// Why spans cannot be exported as the environment asks.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable says what is not allowed.
    #[error("{variable}: given {given:?}, allowed {allowed}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What it says, without user and password.
        given: String,
        /// What it may say.
        allowed: &'static str,
        /// What is wrong, where there is more to tell.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The exporter cannot be made, for another reason, which it tells.
    #[error("the OTEL_EXPORTER_OTLP_* settings cannot be used")]
    Exporter(#[from] ExporterBuildError),
    /// The system has no certificates to check a collector against.
    #[error("OTEL_EXPORTER_OTLP_CERTIFICATE: not given, and the system's certificates cannot be used")]
    Certificates(#[from] io::Error),
}

impl Error {
    fn setting((variable, given): (&'static str, String), allowed: &'static str) -> Self {
        // What stands before an at sign may be a password.
        let given = given.rsplit_once('@').map(|(_, place)| format!("***@{place}")).unwrap_or(given);
        Self::Setting { variable, given, allowed, source: None }
    }
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
    endpoint(read)?;
    compression(read)?;
    let (trust, timeout) = (trust(read)?, timeout(read)?);
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
            let client = http::Client::new(&trust, timeout)?;
            SpanExporter::builder().with_http().with_http_client(client).build()?
        }
    })
}

/// Refuses an address at which no collector can be; whether there is one is seen later.
fn endpoint(read: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    let Some(named) = first(ENDPOINT, read) else { return Ok(()) };
    match named.1.parse().is_ok_and(|uri| is_place(&uri)) {
        true => Ok(()),
        false => Err(Error::setting(named, "http://HOST:PORT or https://HOST:PORT")),
    }
}

fn is_place(uri: &Uri) -> bool {
    let place = uri.authority().and_then(|authority| authority.as_str().rsplit('@').next()).unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    matches!(uri.scheme_str(), Some("http" | "https"))
        && !host.is_empty()
        && (place == host || uri.port_u16().is_some_and(|port| port > 0))
}

/// Refuses what the exporter would take no notice of.
fn compression(read: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    match first(COMPRESSION, read) {
        Some(named) if !matches!(&*named.1, "gzip" | "none") => Err(Error::setting(named, "gzip or none")),
        _ => Ok(()),
    }
}

/// The system's certificates are asked for only where TLS is spoken: an image for a plain collector may have none.
fn trust(read: impl Fn(&str) -> Option<String>) -> Result<Trust, Error> {
    if first(ENDPOINT, &read).is_none_or(|(_, endpoint)| endpoint.starts_with("http://")) {
        return Ok(Trust::Plain);
    }
    let Some((variable, given)) = first(CERTIFICATE, read) else { return Ok(Trust::System) };
    let pem = fs::read(&given).map_err(Into::into).and_then(|pem| http::authorities(&pem).map(|_| pem));
    pem.map(Trust::Authorities).map_err(|source| {
        let allowed = "a file of certificates in PEM";
        Error::Setting { variable, given, allowed, source: Some(source) }
    })
}

/// What the environment says, else what the collector's port suggests.
fn protocol(read: impl Fn(&str) -> Option<String>) -> Result<Protocol, Error> {
    match first(PROTOCOL, &read) {
        Some((_, named)) if named == GRPC => Ok(Protocol::Grpc),
        Some((_, named)) if named == HTTP => Ok(Protocol::Http),
        Some(named) => Err(Error::setting(named, "grpc or http/protobuf")),
        None => {
            let endpoint = first(ENDPOINT, &read).map(|(_, endpoint)| endpoint).unwrap_or_default();
            let address = endpoint.split_once("://").map_or(&*endpoint, |(_, address)| address);
            let authority = address.split('/').next().unwrap_or_default();
            Ok(if authority.ends_with(HTTP_PORT) { Protocol::Http } else { Protocol::Grpc })
        }
    }
}

/// How long one export may take; the variables are in milliseconds.
fn timeout(read: impl Fn(&str) -> Option<String>) -> Result<Duration, Error> {
    let Some(named) = first(TIMEOUT, read) else { return Ok(LONGEST_EXPORT) };
    let milliseconds = named.1.parse().map(Duration::from_millis);
    milliseconds.map_err(|_| Error::setting(named, "a whole number of milliseconds"))
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
