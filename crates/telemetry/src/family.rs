//! Metrics with their label values resolved ahead.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::Collector,
};

use crate::{exposition::Exposition, label::Label, process::Process};

/// A number that only grows.
#[derive(Clone, Debug)]
pub struct Count(IntCounter);

impl Count {
    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.0.inc_by(amount);
    }

    /// What it is now.
    pub fn value(&self) -> u64 {
        self.0.get()
    }
}

/// A number of things that exist now.
#[derive(Clone, Debug)]
pub struct Level(IntGauge);

impl Level {
    /// One more, until the returned guard is dropped: whatever way its holder ends, the level comes
    /// back down.
    #[must_use = "dropping the guard lowers the level at once"]
    pub fn hold(&self) -> Held {
        self.0.inc();
        Held(self.0.clone())
    }

    /// What it is now.
    pub fn value(&self) -> i64 {
        self.0.get()
    }
}

/// One unit of a [`Level`].
#[derive(Debug)]
pub struct Held(IntGauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A histogram of durations.
#[derive(Clone, Debug)]
pub struct Seconds(Histogram);

impl Seconds {
    /// Adds one.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.get_sample_count()
    }
}

/// A counter for each value of a label.
#[derive(Debug)]
pub struct Family<L> {
    counts: Box<[Count]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> Family<L> {
    /// The counter of a value.
    pub fn get(&self, label: L) -> &Count {
        &self.counts[label.index()]
    }
}

/// A counter for each pair of values of two labels.
#[derive(Debug)]
pub struct Family2<A, B> {
    counts: Box<[Count]>,
    labels: PhantomData<fn(A, B)>,
}

impl<A: Label, B: Label> Family2<A, B> {
    /// The counter of a pair.
    pub fn get(&self, a: A, b: B) -> &Count {
        &self.counts[a.index() * B::ALL.len() + b.index()]
    }
}

/// Makes metrics and registers them.
///
/// Names and helps are ours and fixed, so what Prometheus does not take is a mistake in the code: it panics.
#[derive(Debug)]
pub struct Builder {
    prefix: &'static str,
    registry: Registry,
}

impl Builder {
    /// All names get `prefix` and a `_` in front.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, registry: Registry::new() }
    }

    /// A number that only grows.
    pub fn count(&self, name: &str, help: &str) -> Count {
        Count(self.register(IntCounter::new(self.full(name), help)))
    }

    /// A number of things that exist now.
    pub fn level(&self, name: &str, help: &str) -> Level {
        Level(self.register(IntGauge::new(self.full(name), help)))
    }

    /// A histogram of durations; bounds of its buckets in seconds.
    pub fn seconds(&self, name: &str, help: &str, buckets: &[f64]) -> Seconds {
        let options = HistogramOpts::new(self.full(name), help).buckets(buckets.to_vec());
        Seconds(self.register(Histogram::with_opts(options)))
    }

    /// A counter for each value of a label.
    pub fn family<L: Label>(&self, name: &str, help: &str, label: &str) -> Family<L> {
        self.family_with(name, help, [label], |value: L| [value.text()])
    }

    /// A counter for each value, which says all of its labels.
    pub fn family_with<L: Label, const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        texts: impl Fn(L) -> [&'static str; N],
    ) -> Family<L> {
        let vec = self.vec(name, help, &labels);
        let counts = L::ALL.iter().map(|value| Count(vec.with_label_values(&texts(*value))));
        Family { counts: counts.collect(), label: PhantomData }
    }

    /// A counter for each pair of values of two labels.
    pub fn family2<A: Label, B: Label>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; 2],
    ) -> Family2<A, B> {
        let vec = self.vec(name, help, &labels);
        let pairs = A::ALL.iter().flat_map(|a| B::ALL.iter().map(move |b| [a.text(), b.text()]));
        let counts = pairs.map(|pair| Count(vec.with_label_values(&pair)));
        Family2 { counts: counts.collect(), labels: PhantomData }
    }

    /// All of them, and those of the process.
    pub fn finish(self) -> Exposition {
        let process = Process::new(&self);
        Exposition::new(self.registry, process)
    }

    pub(crate) fn float_count(&self, name: &str, help: &str) -> Counter {
        self.register(Counter::new(self.full(name), help))
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(self.full(name), help))
    }

    pub(crate) fn info(&self, name: &str, help: &str, label: &str, value: &str) {
        let options = Opts::new(self.full(name), help).const_label(label, value);
        self.register(IntGauge::with_opts(options)).set(1);
    }

    fn vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(self.full(name), help), labels))
    }

    fn register<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("our names, labels and buckets are valid");
        self.registry.register(Box::new(metric.clone())).expect("our names differ");
        metric
    }

    fn full(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Outcome};

    #[test]
    fn pairs_of_labels_do_not_mix() {
        let build = Builder::new("t");
        let family: Family2<Content, Outcome> = build.family2("a_total", "A help", ["c", "o"]);
        let all = || {
            let outcomes = |content| Outcome::ALL.iter().map(move |outcome| (content, *outcome));
            Content::ALL.iter().flat_map(move |content| outcomes(*content))
        };
        for (amount, (content, outcome)) in (1..).zip(all()) {
            family.get(content, outcome).add(amount);
        }
        let text = String::from_utf8(build.finish().encode().1).unwrap();
        for (amount, (content, outcome)) in (1..).zip(all()) {
            assert_eq!(family.get(content, outcome).value(), amount);
            let (content, outcome) = (content.as_str(), outcome.as_str());
            let line = format!("t_a_total{{c=\"{content}\",o=\"{outcome}\"}} {amount}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }

    #[test]
    fn a_value_may_have_several_labels() {
        let build = Builder::new("t");
        let family = build.family_with("b_total", "A help", ["x", "y"], |content: Content| {
            [content.as_str(), "same"]
        });
        family.get(Content::Response).add(3);
        let text = String::from_utf8(build.finish().encode().1).unwrap();
        assert!(text.contains("t_b_total{x=\"response\",y=\"same\"} 3\n"), "{text}");
        assert!(text.contains("t_b_total{x=\"request\",y=\"same\"} 0\n"), "{text}");
    }

    #[test]
    fn a_level_falls_with_its_holders() {
        let level = Builder::new("t").level("c", "A help");
        let one = level.hold();
        let two = level.hold();
        assert_eq!(level.value(), 2);
        drop(one);
        assert_eq!(level.value(), 1);
        drop(two);
        assert_eq!(level.value(), 0);
    }
}
