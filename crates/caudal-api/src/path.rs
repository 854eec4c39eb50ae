//! The original's paths in other spellings, as it took them.

use axum::extract::Request;
use axum::http::Uri;
use percent_encoding::percent_decode_str;

use crate::answer::Answer;
use crate::callers::Caller;
use crate::{docs, location, wire};

const INTAKE: &str = "/facturas/";

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

/// Sends `/facturas` on to `/facturas/`.
pub(crate) async fn redirect(_: Caller, request: Request) -> Answer {
    Answer::Redirect(location::of(INTAKE, &request))
}

/// Sends a document's path with slashes behind it on to the document. There is nothing else, which only callers are told.
pub(crate) async fn elsewhere(caller: Result<Caller, Answer>, request: Request) -> Answer {
    let place = request.uri().path().trim_end_matches('/');
    match (docs::PATHS.iter().find(|path| **path == place), caller) {
        (Some(path), _) => Answer::Redirect(location::of(path, &request)),
        (None, Ok(_)) => Answer::NotFound(wire::NOT_FOUND),
        (None, Err(unauthorized)) => unauthorized,
    }
}

#[cfg(test)]
mod tests;
