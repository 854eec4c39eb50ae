//! Where a redirect leads: a path of the service, at the address by which the client knows the service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;

use crate::header;

/// How a proxy tells which scheme its client used.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxy the original's server believed: one on its own machine.
const TRUSTED: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What Python's `quote` encodes in the redirect: all but letters, digits and these.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b'%')
    .remove(b'#')
    .remove(b'?')
    .remove(b'=')
    .remove(b'@')
    .remove(b'[')
    .remove(b']')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';');

/// The two ends of a connection, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    client: Option<IpAddr>,
    server: Option<SocketAddr>,
}

impl Ends {
    pub(crate) fn of(stream: &TcpStream) -> Self {
        Self { client: stream.peer_addr().ok().map(|peer| peer.ip()), server: stream.local_addr().ok() }
    }
}

/// The address of a path, with the query of the request; the request's extensions hold its [`Ends`].
pub(crate) fn of(path: &str, request: &Request) -> HeaderValue {
    let ends = request.extensions().get().copied().unwrap_or_default();
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let origin = origin(request.headers(), authority, ends).unwrap_or_default();
    let query = request.uri().query().filter(|query| !query.is_empty());
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let address = utf8_percent_encode(&format!("{origin}{path}{query}"), QUOTED).to_string();
    // What is percent-encoded is always fit for a header.
    HeaderValue::try_from(address).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Scheme and authority: at the host the client named, else where it was connected to.
fn origin(headers: &HeaderMap, authority: Option<&str>, ends: Ends) -> Option<String> {
    let is_trusted = ends.client.is_some_and(|client| client.to_canonical() == TRUSTED);
    let forwarded = headers.get_all(X_FORWARDED_PROTO).iter().next_back().filter(|_| is_trusted).map(header::text);
    let scheme = forwarded.as_deref().map_or("http", str::trim);
    let named = headers.get(HOST).map(header::text).or_else(|| authority.map(str::to_owned));
    let authority = named.or_else(|| ends.server.map(|server| connected_to(server, scheme)))?;
    Some(format!("{scheme}://{authority}"))
}

/// An end of a connection, without the port that its scheme implies.
fn connected_to(server: SocketAddr, scheme: &str) -> String {
    let authority = SocketAddr::new(server.ip().to_canonical(), server.port()).to_string();
    let implied = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(implied).unwrap_or(&authority).to_owned()
}

#[cfg(test)]
mod tests;
