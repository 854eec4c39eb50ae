//! The document's prose.

use maud::{Markup, PreEscaped};
use pulldown_cmark::{Options, Parser};

/// CommonMark as HTML; a text of one paragraph comes without the paragraph.
pub(super) fn markdown(text: &str) -> Markup {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(text, Options::empty()));
    let html = html.trim();
    let inner = html.strip_prefix("<p>").and_then(|html| html.strip_suffix("</p>"));
    PreEscaped(inner.filter(|inner| !inner.contains("<p>")).unwrap_or(html).to_owned())
}

/// The sections of a text: what is behind each `## ` heading.
pub(super) fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = text.split("## ").filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('\n').unwrap_or((part, "")))
}

/// A title as the end of an address.
pub(super) fn slug(title: &str) -> String {
    title.to_lowercase().split(|letter: char| !letter.is_alphanumeric()).collect::<Vec<_>>().join("-")
}
