//! The original's paths in other spellings, as it took them.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::answer::Answer;
use crate::callers::Caller;
use crate::{docs, wire};

const INTAKE: &str = "/facturas/";

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

/// Writes a path of the original's without percent signs, so that it is routed; any other request stays as it is.
pub(crate) fn plain(mut request: Request) -> Request {
    if let Some(uri) = plainly(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn plainly(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains('%') {
        return None;
    }
    let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
    let path = without_line_feed(&path);
    let place = path.trim_end_matches('/');
    if place != INTAKE.trim_end_matches('/') && !docs::PATHS.contains(&place) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Python's regular expressions end before a line feed: the original's routes were found with one behind them.
fn without_line_feed(path: &str) -> &str {
    let route = path.strip_suffix('\n').filter(|route| *route == INTAKE || docs::PATHS.contains(route));
    route.unwrap_or(path)
}

/// Sends `/facturas` on to `/facturas/`, at the host the client named.
pub(crate) async fn redirect(_: Caller, request: Request) -> Answer {
    redirect_to(INTAKE, &request)
}

/// Sends a document's path with slashes behind it on to the document. There is nothing else, which only callers are told.
pub(crate) async fn elsewhere(caller: Result<Caller, Answer>, request: Request) -> Answer {
    let place = request.uri().path().trim_end_matches('/');
    match (docs::PATHS.iter().find(|path| **path == place), caller) {
        (Some(path), _) => redirect_to(path, &request),
        (None, Ok(_)) => Answer::NotFound(wire::NOT_FOUND),
        (None, Err(unauthorized)) => unauthorized,
    }
}

fn redirect_to(path: &str, request: &Request) -> Answer {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let location = HeaderValue::try_from(address(authority, path, request.uri().query()));
    location.map_or(Answer::NotFound(wire::NOT_FOUND), Answer::Redirect)
}

fn address(authority: Option<&str>, path: &str, query: Option<&str>) -> String {
    let origin = authority.map(|authority| format!("http://{authority}")).unwrap_or_default();
    let query = query.filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
    utf8_percent_encode(&format!("{origin}{path}{query}"), QUOTED).to_string()
}

#[cfg(test)]
mod tests;
