//! `GET /openapi.json`, `/docs` and `/redoc`: what the API takes and answers, for programs and for people.
//!
//! The document is made of the wire types and of the answers themselves, the page of the document alone. Both hold no
//! data and are open to everybody, as they were in the original.

mod code;
mod openapi;
mod operations;
mod page;
mod samples;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::answer::Answer;

/// Where the documents are.
///
/// The last is where the original's page came back to from a sign-in. There is none, but the place stays.
pub(crate) const PATHS: [&str; 4] = ["/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect"];

/// What of the API depends on the settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer {
    /// Callers bear API keys.
    pub(crate) keys: bool,
    /// A repeated key is answered as the first time.
    pub(crate) replay: bool,
    /// A RUT's check digit is verified.
    pub(crate) strict_rut: bool,
}

/// The documents, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    openapi: Bytes,
    page: Bytes,
    policy: HeaderValue,
}

impl Documents {
    /// Makes the documents of this offer.
    pub(crate) async fn of(offer: Offer) -> Self {
        let document = openapi::document(offer).await;
        let page = page::render(&document);
        Self { openapi: document.to_string().into(), page: page.into(), policy: policy() }
    }

    /// The routes to them.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let Self { openapi, page, policy } = self;
        let [openapi_path, pages @ ..] = PATHS;
        let openapi = file("application/json", openapi, HeaderValue::from_static("default-src 'none'"));
        let page = file("text/html; charset=utf-8", page, policy);
        let routes = Router::new().route(openapi_path, openapi);
        pages.into_iter().fold(routes, |routes, path| routes.route(path, page.clone()))
    }
}

fn file<S: Clone + Send + Sync + 'static>(kind: &'static str, content: Bytes, policy: HeaderValue) -> MethodRouter<S> {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    // Spelled as the original did.
    let other = || async { ([(ALLOW, "GET, HEAD")], Answer::MethodNotAllowed) };
    get(async move || (headers, content).into_response()).fallback(other)
}

/// The page loads nothing and runs nothing: of all a page may do, its own style is allowed.
fn policy() -> HeaderValue {
    let digest = BASE64_STANDARD.encode(Sha256::digest(page::STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests;
