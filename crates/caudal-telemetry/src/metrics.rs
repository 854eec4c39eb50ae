//! What a process counts, and the text a Prometheus reads of it.

mod ask;
mod families;
mod rows;

use std::fmt::{self, Display, Formatter};
use std::future::Future;

use futures_util::future::join_all;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry as Inner;

pub use families::{Counters, Histograms, LABEL_SETS, Metric, OTHER};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::histogram::Histogram;

pub use rows::Row;

use ask::{Asker, asker};
use rows::Rows;

/// Begins every metric's name.
const PREFIX: &str = "caudal";

/// The content type of [`Registry::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of the buckets for the duration of a request or a transaction, in seconds: 0.5 ms to 10 s.
pub const SHORT: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Bounds of the buckets for what can take as long as an outage lasts, in seconds: 1 ms to an hour.
pub const LONG: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3600.0];

/// The metrics of one role. Made by the role, filled by its parts, handed to [`crate::ops::serve`].
pub struct Registry {
    inner: Inner,
    described: Vec<Description>,
    askers: Vec<Asker>,
}

/// What the table of all metrics says of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The whole name, as a query writes it, but for what a histogram adds (`_bucket`, `_sum`, `_count`).
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it means; a sentence without its full stop.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever rises, from 0 at the start of the process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How often values fell below each of some bounds.
    Histogram,
}

impl Display for Kind {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

impl Registry {
    /// A registry that tells this program's version and the role (`api`, `worker`, ..) as `caudal_build_info`.
    #[must_use]
    pub fn new(role: &'static str) -> Self {
        let mut registry = Self { inner: Inner::with_prefix(PREFIX), described: Vec::new(), askers: Vec::new() };
        let help = "Always 1; the labels tell the program";
        registry.describe("build_info", Kind::Gauge, vec!["version", "role"], help);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("role", role)]);
        registry.inner.register("build", help, build);
        registry
    }

    /// Adds a metric. The name is without `caudal_` and a counter's `_total`, in base units (`_seconds`, `_bytes`), and used once.
    pub fn register(&mut self, name: &'static str, help: &'static str, metric: &impl Metric) {
        let suffix = if metric.kind() == Kind::Counter { "_total" } else { "" };
        self.describe(&format!("{name}{suffix}"), metric.kind(), metric.labels(), help);
        metric.add_to(&mut self.inner, name, help);
    }

    /// Adds gauges, each a name and a help, whose values are asked for whenever somebody reads the metrics.
    ///
    /// A value of `None` leaves its gauge out. Where `ask` has no answer, or none within a second, `away` stands in for it: an
    /// unknown number is absent and never 0.
    pub fn ask<const N: usize, F>(
        &mut self,
        gauges: [(&'static str, &'static str); N],
        away: [Option<f64>; N],
        ask: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Option<[Option<f64>; N]>> + Send + 'static,
    {
        for (name, help) in gauges {
            self.describe(name, Kind::Gauge, Vec::new(), help);
        }
        let (asker, readings) = asker(gauges, away, ask);
        self.askers.push(asker);
        self.inner.register_collector(Box::new(readings));
    }

    /// Adds gauges, each a name and a help, that have these labels, and a row of values for each thing that `read` finds when somebody
    /// reads the metrics. A value of `None` leaves its gauge out. How many things there are is for the caller to bound.
    pub fn rows<const L: usize, const N: usize>(
        &mut self,
        labels: [&'static str; L],
        gauges: [(&'static str, &'static str); N],
        read: impl Fn() -> Vec<Row<L, N>> + Send + Sync + 'static,
    ) {
        for (name, help) in gauges {
            self.describe(name, Kind::Gauge, labels.to_vec(), help);
        }
        self.inner.register_collector(Box::new(Rows { labels, gauges, read }));
    }

    /// Everything registered so far, in this order.
    #[must_use]
    pub fn descriptions(&self) -> &[Description] {
        &self.described
    }

    /// All metrics in the OpenMetrics text format; within little more than a second, whatever is away.
    pub async fn render(&self) -> String {
        join_all(self.askers.iter().map(|ask| ask())).await;
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.inner);
        text
    }

    fn describe(&mut self, name: &str, kind: Kind, labels: Vec<&'static str>, help: &'static str) {
        self.described.push(Description { name: format!("{PREFIX}_{name}"), kind, labels, help });
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").field("described", &self.described).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
