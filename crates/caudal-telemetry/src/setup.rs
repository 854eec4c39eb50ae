//! Installs logs and traces, and takes them down again.

use std::env;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::{Options, export, log};

/// How long the last spans may take to reach the collector.
const FLUSH_LIMIT: Duration = Duration::from_millis(800);

/// Why logs and traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter does not parse.
    #[error("the log filter does not parse")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The environment names a collector, and asks for what cannot be done.
    #[error(transparent)]
    Collector(#[from] export::Error),
    /// Another subscriber stands already.
    #[error("logging was set up twice")]
    Twice(#[from] TryInitError),
}

/// Keeps the exporter alive; give it back by [`Guard::shutdown`] so that the last spans arrive.
#[derive(Debug)]
#[must_use = "the last spans are lost unless the guard is shut down"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Guard {
    /// Sends what is queued and stops, within 0.8 s.
    pub async fn shutdown(self) {
        let Some(provider) = self.provider else { return };
        // The exporter needs the runtime's threads while this waits: on the runtime itself it would lock up.
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_LIMIT)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

/// Sets up logs and, where the environment names a collector, traces, for the role (`api`, `worker`, ..) of this process.
///
/// Must be called inside a tokio runtime, once. Whether the collector is there is not asked.
///
/// # Errors
/// [`Error::Filter`] for a log filter that does not parse, [`Error::Collector`] for a variable that names a collector in a
/// way that cannot work, [`Error::Twice`] at the second call.
pub fn init(options: &Options, role: &'static str) -> Result<Guard, Error> {
    let provider = export::is_wanted().then(|| provider(role)).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        // For spans that are told when they are over, which `tracing` cannot.
        opentelemetry::global::set_tracer_provider(provider.clone());
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("caudal"))
            // Only our own spans: the exporter's own would make a trace of every export.
            .with_filter(Targets::new().with_target("caudal", LevelFilter::INFO))
    });
    tracing_subscriber::registry().with(log::layer(options)?).with(traces).try_init()?;
    Ok(Guard { provider })
}

fn provider(role: &'static str) -> Result<SdkTracerProvider, export::Error> {
    let exporter = export::exporter()?;
    Ok(SdkTracerProvider::builder().with_resource(resource(role)).with_batch_exporter(exporter).build())
}

fn resource(role: &'static str) -> Resource {
    let builder = Resource::builder()
        .with_attribute(KeyValue::new("service.namespace", "caudal"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let named = env::var("OTEL_SERVICE_NAME").is_ok()
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|attributes| attributes.contains("service.name="));
    if named { builder.build() } else { builder.with_service_name(format!("caudal-{role}")).build() }
}
