//! How a line ends.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use super::{json_end, text_end};

fn span() -> SpanContext {
    let (trace, span) = (TraceId::from(0x4bf9_2f35), SpanId::from(0xf067));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default())
}

#[test]
fn a_line_of_text_ends_with_the_ids() {
    let mut line = "INFO caudal: queued count=3\n".to_owned();
    text_end(&mut line, &span());
    assert_eq!(
        line,
        "INFO caudal: queued count=3 trace_id=0000000000000000000000004bf92f35 span_id=000000000000f067\n"
    );
}

#[test]
fn a_line_of_json_stays_one_object() {
    let mut line = "{\"fields\":{\"count\":3}}\n".to_owned();
    json_end(&mut line, &span());
    let ids = "\"trace_id\":\"0000000000000000000000004bf92f35\",\"span_id\":\"000000000000f067\"";
    assert_eq!(line, format!("{{\"fields\":{{\"count\":3}},{ids}}}\n"));
}
