//! Log lines on standard error; one written within a span that is traced says which.

use std::fmt::{self, Write};
use std::io::{IsTerminal, stderr};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Format as Formatter, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, Layer as Lines};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::{Format, Options};

/// The layer that writes what the options ask for, as they ask.
pub(crate) fn layer(options: &Options) -> Result<Box<dyn Layer<Registry> + Send + Sync>, ParseError> {
    let filter = EnvFilter::try_new(&options.log)?;
    let colours = stderr().is_terminal();
    let lines = Lines::new().with_writer(stderr).with_ansi(colours);
    let formatter = Formatter::default().with_ansi(colours);
    Ok(match options.log_format {
        Format::Text => lines.event_format(Traced { formatter, end: text_end }).with_filter(filter).boxed(),
        Format::Json => {
            lines.json().event_format(Traced { formatter: formatter.json(), end: json_end }).with_filter(filter).boxed()
        }
    })
}

/// Writes the line as `formatter` does, with the ids of trace and span at its end.
struct Traced<F> {
    formatter: F,
    end: fn(&mut String, &SpanContext),
}

impl<F, S, N> FormatEvent<S, N> for Traced<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let span = Context::map_current(|context| context.span().span_context().clone());
        if !span.is_valid() {
            return self.formatter.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.formatter.format_event(context, Writer::new(&mut line), event)?;
        (self.end)(&mut line, &span);
        writer.write_str(&line)
    }
}

fn text_end(line: &mut String, span: &SpanContext) {
    line.truncate(line.trim_end().len());
    let _ = writeln!(line, " trace_id={} span_id={}", span.trace_id(), span.span_id());
}

fn json_end(line: &mut String, span: &SpanContext) {
    line.truncate(line.trim_end().len());
    if line.ends_with('}') {
        line.pop();
    }
    let _ = writeln!(line, ",\"trace_id\":\"{}\",\"span_id\":\"{}\"}}", span.trace_id(), span.span_id());
}

#[cfg(test)]
mod tests;
