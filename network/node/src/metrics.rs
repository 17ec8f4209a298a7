//! What a node counts and times, and the answer of `/metrics` in Prometheus' text format.
//!
//! Whoever counts describes its metric once, in a constant, and gets a handle; names are Fabric's where it has the thing.
//! The number of labels is part of the handle's type. Values of labels are names of channels, chaincodes, methods and
//! codes that the node knows: never what a stranger wrote, so that nobody can make the node remember names, and never a
//! person, a key or a content.

mod grpc;
mod process;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};
use web::{Reply, Route};

pub use grpc::grpc_observer;

/// The media type of the text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4";
/// Upper bounds of times, in seconds: from a tenth of what one transaction takes to what a client waits for.
const SECONDS: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What a metric is called, what it means, and by which labels it is told apart.
#[derive(Clone, Copy, Debug)]
pub struct Description<const LABELS: usize> {
    /// Its name.
    pub name: &'static str,
    /// Its meaning, one line.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: [&'static str; LABELS],
}

/// A [`Description`] in one line.
#[must_use]
pub const fn describe<const LABELS: usize>(
    name: &'static str,
    labels: [&'static str; LABELS],
    help: &'static str,
) -> Description<LABELS> {
    Description { name, help, labels }
}

type Question = Arc<dyn Fn() + Send + Sync>;

/// The metrics of a node. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    questions: Arc<RwLock<Vec<Question>>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Begins with what the system counts of this process.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self { registry: Registry::new(), questions: Arc::default() };
        process::register(&metrics);
        metrics
    }

    /// A number that only grows.
    #[must_use]
    pub fn counter<const LABELS: usize>(&self, description: &Description<LABELS>) -> Counter<LABELS> {
        let counter = IntCounterVec::new(opts(description), &description.labels);
        Counter(self.register(counter, description.name))
    }

    /// As [`Metrics::counter`], of seconds.
    #[must_use]
    pub fn seconds<const LABELS: usize>(&self, description: &Description<LABELS>) -> Seconds<LABELS> {
        let counter = CounterVec::new(opts(description), &description.labels);
        Seconds(self.register(counter, description.name))
    }

    /// A number that rises and falls.
    #[must_use]
    pub fn gauge<const LABELS: usize>(&self, description: &Description<LABELS>) -> Gauge<LABELS> {
        let gauge = GaugeVec::new(opts(description), &description.labels);
        Gauge(self.register(gauge, description.name))
    }

    /// Times, in seconds.
    #[must_use]
    pub fn histogram<const LABELS: usize>(&self, description: &Description<LABELS>) -> Histogram<LABELS> {
        let options = HistogramOpts { common_opts: opts(description), buckets: SECONDS.to_vec() };
        let histogram = HistogramVec::new(options, &description.labels);
        Histogram(self.register(histogram, description.name))
    }

    /// Has a question asked before each answer, which sets gauges. It must be quick: a look at counters, no waiting.
    pub fn ask(&self, question: impl Fn() + Send + Sync + 'static) {
        self.questions.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(question));
    }

    /// All metrics that have a value, in the text format.
    #[must_use]
    pub fn text(&self) -> String {
        let questions = self.questions.read().unwrap_or_else(PoisonError::into_inner).clone();
        questions.iter().for_each(|question| question());
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            tracing::error!(%error, "node.metrics");
            String::new()
        })
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>, name: &str) -> C {
        let registered = made.and_then(|metric| {
            self.registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        });
        match registered {
            Ok(metric) => metric,
            Err(error) => panic!("metric {name} is described wrongly or twice: {error}"),
        }
    }
}

fn opts<const LABELS: usize>(description: &Description<LABELS>) -> Opts {
    Opts::new(description.name, description.help)
}

/// A number that only grows, by labels.
#[derive(Clone, Debug)]
pub struct Counter<const LABELS: usize>(IntCounterVec);

impl<const LABELS: usize> Counter<LABELS> {
    /// Adds to it; 0 makes it known.
    pub fn add(&self, labels: [&str; LABELS], count: u64) {
        self.0.with_label_values(&labels).inc_by(count);
    }

    /// Raises it to what somebody else counted; it never falls.
    pub fn raise_to(&self, labels: [&str; LABELS], count: u64) {
        let counter = self.0.with_label_values(&labels);
        counter.inc_by(count.saturating_sub(counter.get()));
    }
}

/// A number of seconds that only grows, by labels.
#[derive(Clone, Debug)]
pub struct Seconds<const LABELS: usize>(CounterVec);

impl<const LABELS: usize> Seconds<LABELS> {
    /// Adds to it.
    pub fn add(&self, labels: [&str; LABELS], time: Duration) {
        self.0.with_label_values(&labels).inc_by(time.as_secs_f64());
    }

    /// Raises it to what somebody else counted; it never falls.
    pub fn raise_to(&self, labels: [&str; LABELS], time: Duration) {
        let counter = self.0.with_label_values(&labels);
        counter.inc_by((time.as_secs_f64() - counter.get()).max(0.0));
    }
}

/// A number that rises and falls, by labels.
#[derive(Clone, Debug)]
pub struct Gauge<const LABELS: usize>(GaugeVec);

impl<const LABELS: usize> Gauge<LABELS> {
    /// Sets it. Beyond 2^53 it is rounded.
    pub fn set(&self, labels: [&str; LABELS], value: u64) {
        #[expect(clippy::cast_precision_loss, reason = "the format knows no other number")]
        self.0.with_label_values(&labels).set(value as f64);
    }
}

/// Times, by labels.
#[derive(Clone, Debug)]
pub struct Histogram<const LABELS: usize>(HistogramVec);

impl<const LABELS: usize> Histogram<LABELS> {
    /// Adds a time.
    pub fn observe(&self, labels: [&str; LABELS], time: Duration) {
        self.0.with_label_values(&labels).observe(time.as_secs_f64());
    }
}

/// The route `/metrics` of a web listener.
#[must_use]
pub fn metrics_route(metrics: Metrics) -> Route {
    Route::get("/metrics", move |_| {
        let body = Bytes::from(metrics.text());
        async move { Reply { status: 200, content_type: CONTENT_TYPE.to_owned(), body } }
    })
}

#[cfg(test)]
mod tests;
