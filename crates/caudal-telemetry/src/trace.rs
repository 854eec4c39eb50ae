//! Trace context as text, the W3C `traceparent` that travels with a request or a queued chunk; and spans told when they are over.

use std::collections::HashMap;
use std::time::SystemTime;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// A span that is over, told only once it has turned out to be worth it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its name.
    pub name: &'static str,
    /// When it began.
    pub begun: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// Its attributes.
    pub attributes: Vec<(&'static str, String)>,
    /// What went wrong, if anything.
    pub failure: Option<String>,
}

/// Tells a span that is over, with its parts as its children; it has a trace of its own, and a link to the span behind the `traceparent`,
/// if one is given that parses. Costs next to nothing where traces are off.
pub fn tell(whole: Past, parts: Vec<Past>, traceparent: Option<&str>) {
    let tracer = global::tracer("caudal");
    let ended = whole.ended;
    let mut span = whole.start(&tracer, &Context::new());
    let linked = traceparent.map(|text| extract(text).span().span_context().clone());
    if let Some(linked) = linked.filter(SpanContext::is_valid) {
        span.add_link(linked, Vec::new());
    }
    let context = Context::new().with_span(span);
    for part in parts {
        let ended = part.ended;
        part.start(&tracer, &context).end_with_timestamp(ended);
    }
    context.span().end_with_timestamp(ended);
}

impl Past {
    /// One that went well.
    pub fn new(
        name: &'static str,
        begun: impl Into<SystemTime>,
        ended: impl Into<SystemTime>,
        attributes: Vec<(&'static str, String)>,
    ) -> Self {
        Self { name, begun: begun.into(), ended: ended.into(), attributes, failure: None }
    }

    fn start(self, tracer: &global::BoxedTracer, parent: &Context) -> global::BoxedSpan {
        let attributes = self.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let builder = SpanBuilder::from_name(self.name).with_start_time(self.begun).with_attributes(attributes);
        let mut span = builder.start_with_context(tracer, parent);
        if let Some(failure) = self.failure {
            span.set_status(Status::error(failure));
        }
        span
    }
}

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
