//! Gauges whose values somebody else knows: they are asked for when the metrics are read.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::timeout;

/// A scraper gives up after 10 s by default, and wants everything else as well.
const LIMIT: Duration = Duration::from_secs(1);

/// Asks once, and keeps the answer for the reader.
pub(super) type Asker = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What the last one who asked was told.
#[derive(Debug)]
pub(super) struct Readings<const N: usize> {
    gauges: [(&'static str, &'static str); N],
    values: Mutex<[Option<f64>; N]>,
}

pub(super) fn asker<const N: usize, F>(
    gauges: [(&'static str, &'static str); N],
    away: [Option<f64>; N],
    ask: impl Fn() -> F + Send + Sync + 'static,
) -> (Asker, Arc<Readings<N>>)
where
    F: Future<Output = Option<[Option<f64>; N]>> + Send + 'static,
{
    let readings = Arc::new(Readings { gauges, values: Mutex::new(away) });
    let kept = Arc::clone(&readings);
    let asker: Asker = Box::new(move || {
        let (answer, kept) = (ask(), Arc::clone(&kept));
        Box::pin(async move {
            let values = timeout(LIMIT, answer).await.ok().flatten().unwrap_or(away);
            *kept.values.lock().unwrap_or_else(PoisonError::into_inner) = values;
        })
    });
    (asker, readings)
}

impl<const N: usize> Collector for Readings<N> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let values = *self.values.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, help), value) in self.gauges.into_iter().zip(values) {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
