//! What the collector received, and the way from a POST to the scaling and to the commit in it.

use std::collections::HashMap;

use serde_json::Value;

/// One span, as far as the way needs it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its name.
    pub name: String,
    /// The role it was made in.
    pub service: String,
    trace: String,
    id: String,
    parent: String,
    /// Trace and span ids.
    links: Vec<(String, String)>,
}

/// Reads the spans from a collector's log: each line that is OTLP's JSON holds some.
pub(crate) fn spans(log: &str) -> Vec<Span> {
    let exports = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    exports.flat_map(|export| list(&export["resourceSpans"]).iter().flat_map(of_resource).collect::<Vec<_>>()).collect()
}

/// Finds a `process` span below a POST's span whose link leads to the `record` span that links back to it, in a trace that the
/// controller's `scale` span links to: the POST woke it.
///
/// # Errors
/// What there is instead.
pub(crate) fn from_post_to_scale_and_commit(spans: &[Span]) -> Result<(), String> {
    let by_id: HashMap<_, _> = spans.iter().map(|span| ((&span.trace, &span.id), span)).collect();
    let ends_there = |process: &Span| {
        let posted = ancestors(process, &by_id).any(|span| span.name.starts_with("POST /facturas"));
        let recorded = process.links.iter().filter_map(|(trace, id)| by_id.get(&(trace, id))).any(|record| {
            record.name.starts_with("record") && record.links.contains(&(process.trace.clone(), process.id.clone()))
        });
        let scales = spans.iter().filter(|span| span.name == "scale");
        let woke = scales.flat_map(|span| &span.links).any(|(trace, _)| *trace == process.trace);
        posted && recorded && woke
    };
    if spans.iter().any(|span| span.name.starts_with("process") && ends_there(span)) {
        return Ok(());
    }
    let mut seen: Vec<_> = spans.iter().map(|span| format!("{}: {}", span.service, span.name)).collect();
    seen.sort();
    seen.dedup();
    Err(format!("{} spans: {}", spans.len(), seen.join(", ")))
}

fn ancestors<'a>(
    span: &'a Span,
    by_id: &'a HashMap<(&'a String, &'a String), &'a Span>,
) -> impl Iterator<Item = &'a Span> {
    std::iter::successors(Some(span), |span| by_id.get(&(&span.trace, &span.parent)).copied())
}

fn of_resource(resource: &Value) -> Vec<Span> {
    let attributes = list(&resource["resource"]["attributes"]);
    let service = attributes.iter().find(|attribute| attribute["key"] == "service.name");
    let service = service.map(|attribute| text(&attribute["value"]["stringValue"])).unwrap_or_default();
    let scopes = list(&resource["scopeSpans"]).iter();
    scopes.flat_map(|scope| list(&scope["spans"])).map(|span| of_span(span, &service)).collect()
}

fn of_span(span: &Value, service: &str) -> Span {
    let links = list(&span["links"]).iter().map(|link| (text(&link["traceId"]), text(&link["spanId"]))).collect();
    Span {
        name: text(&span["name"]),
        service: service.to_owned(),
        trace: text(&span["traceId"]),
        id: text(&span["spanId"]),
        parent: text(&span["parentSpanId"]),
        links,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
