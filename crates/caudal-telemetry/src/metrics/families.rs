//! Metrics with labels, bounded in number: a label's value may come from outside.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Kind;

/// At most about so many combinations of label values are told apart.
pub const LABEL_SETS: usize = 200;

/// The value of every label of what exceeds [`LABEL_SETS`].
pub const OTHER: &str = "other";

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

/// What can be registered: counters and histograms, with labels or without. Clones count together.
pub trait Metric: sealed::Sealed {
    #[doc(hidden)]
    fn kind(&self) -> Kind;
    #[doc(hidden)]
    fn labels(&self) -> Vec<&'static str>;
    #[doc(hidden)]
    fn add_to(&self, registry: &mut Registry, name: &'static str, help: &'static str);
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Counter {}
    impl Sealed for super::Histogram {}
    impl<const N: usize> Sealed for super::Counters<N> {}
    impl<const N: usize> Sealed for super::Histograms<N> {}
}

/// Counters with `N` labels.
#[derive(Clone, Debug)]
pub struct Counters<const N: usize>(Bounded<N, Counter>);

impl<const N: usize> Counters<N> {
    /// Counters whose labels have these names.
    #[must_use]
    pub fn new(names: [&'static str; N]) -> Self {
        Self(Bounded::new(names, Family::default()))
    }

    /// Adds to the counter with these values of the labels.
    pub fn add(&self, values: [Cow<'static, str>; N], count: u64) {
        self.0.with(values, |counter| counter.inc_by(count));
    }

    /// What the counter with these values of the labels stands at; 0 where nothing was added to it.
    #[must_use]
    pub fn get(&self, values: [Cow<'static, str>; N]) -> u64 {
        self.0.family.get(&self.0.labels(values)).map_or(0, |counter| counter.get())
    }
}

/// Histograms with `N` labels and the same buckets.
#[derive(Clone, Debug)]
pub struct Histograms<const N: usize>(Bounded<N, Histogram, Buckets>);

#[derive(Clone, Debug)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl<const N: usize> Histograms<N> {
    /// Histograms whose labels have these names and whose buckets have these upper bounds.
    #[must_use]
    pub fn new(names: [&'static str; N], bounds: &'static [f64]) -> Self {
        Self(Bounded::new(names, Family::new_with_constructor(Buckets(bounds))))
    }

    /// Counts a value in the histogram with these values of the labels.
    pub fn observe(&self, values: [Cow<'static, str>; N], value: f64) {
        self.0.with(values, |histogram| histogram.observe(value));
    }
}

/// A family that stops growing.
#[derive(Clone, Debug)]
struct Bounded<const N: usize, M, C = fn() -> M> {
    names: [&'static str; N],
    family: Family<Labels<N>, M, C>,
    known: Arc<AtomicUsize>,
}

impl<const N: usize, M: Clone, C: MetricConstructor<M>> Bounded<N, M, C> {
    fn new(names: [&'static str; N], family: Family<Labels<N>, M, C>) -> Self {
        Self { names, family, known: Arc::default() }
    }

    fn labels(&self, values: [Cow<'static, str>; N]) -> Labels<N> {
        let mut names = self.names.into_iter();
        values.map(|value| (names.next().unwrap_or_default(), value))
    }

    /// Does it with the metric of these labels, or with the one of all others once there are too many.
    fn with<T>(&self, values: [Cow<'static, str>; N], act: impl FnOnce(&M) -> T) -> T {
        let labels = self.labels(values);
        if let Some(known) = self.family.get(&labels) {
            return act(&known);
        }
        let room = self.known.fetch_add(1, Ordering::Relaxed) < LABEL_SETS;
        let labels = if room { labels } else { self.names.map(|name| (name, Cow::Borrowed(OTHER))) };
        act(&self.family.get_or_create(&labels))
    }
}

impl Metric for Counter {
    fn kind(&self) -> Kind {
        Kind::Counter
    }

    fn labels(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn add_to(&self, registry: &mut Registry, name: &'static str, help: &'static str) {
        registry.register(name, help, self.clone());
    }
}

impl Metric for Histogram {
    fn kind(&self) -> Kind {
        Kind::Histogram
    }

    fn labels(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn add_to(&self, registry: &mut Registry, name: &'static str, help: &'static str) {
        registry.register(name, help, self.clone());
    }
}

impl<const N: usize> Metric for Counters<N> {
    fn kind(&self) -> Kind {
        Kind::Counter
    }

    fn labels(&self) -> Vec<&'static str> {
        self.0.names.to_vec()
    }

    fn add_to(&self, registry: &mut Registry, name: &'static str, help: &'static str) {
        registry.register(name, help, self.0.family.clone());
    }
}

impl<const N: usize> Metric for Histograms<N> {
    fn kind(&self) -> Kind {
        Kind::Histogram
    }

    fn labels(&self) -> Vec<&'static str> {
        self.0.names.to_vec()
    }

    fn add_to(&self, registry: &mut Registry, name: &'static str, help: &'static str) {
        registry.register(name, help, self.0.family.clone());
    }
}
