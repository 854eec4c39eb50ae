//! Trace context as text: the W3C `traceparent` that travels with a request or a queued chunk.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of a span, for others to be its children; `None` where it is not sampled or traces are off.
///
/// The span's parent is settled by this: call [`set_parent`] before.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    if !context.span().span_context().is_sampled() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes the span a child of the one behind the `traceparent`; nothing happens for one that does not parse.
///
/// Takes effect only before the span is first entered.
pub fn set_parent(span: &Span, traceparent: &str) {
    let parent = extract(traceparent);
    if parent.span().span_context().is_valid() {
        // Fails only where traces are off or the span has begun: neither concerns the work at hand.
        drop(span.set_parent(parent));
    }
}

/// Links the span to the one behind the `traceparent`; nothing happens for one that does not parse.
pub fn link(span: &Span, traceparent: &str) {
    span.add_link(extract(traceparent).span().span_context().clone());
}

fn extract(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}
