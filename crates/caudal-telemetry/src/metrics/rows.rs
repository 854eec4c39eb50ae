//! Gauges with labels, a row for each thing there is when the metrics are read.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// The values of a thing's labels, and of its gauges.
pub type Row<const L: usize, const N: usize> = ([String; L], [Option<f64>; N]);

/// What reads the rows.
pub(super) struct Rows<const L: usize, const N: usize, R> {
    pub(super) labels: [&'static str; L],
    pub(super) gauges: [(&'static str, &'static str); N],
    pub(super) read: R,
}

impl<const L: usize, const N: usize, R> fmt::Debug for Rows<L, N, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Rows")
            .field("labels", &self.labels)
            .field("gauges", &self.gauges)
            .finish_non_exhaustive()
    }
}

impl<const L: usize, const N: usize, R> Collector for Rows<L, N, R>
where
    R: Fn() -> Vec<Row<L, N>> + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let rows = (self.read)();
        for (at, (name, help)) in self.gauges.into_iter().enumerate() {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (values, numbers) in &rows {
                let Some(number) = numbers[at] else { continue };
                let mut values = values.iter();
                let labels = self.labels.map(|label| (label, values.next().map_or("", String::as_str)));
                ConstGauge::new(number).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
