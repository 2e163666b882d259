//! Metrics with their label values resolved ahead.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::Collector,
};

use crate::pages::Problem;

/// A closed set of label values.
pub trait Label: Copy + 'static {
    /// All of them; a value stands at its own [`Label::index`].
    const ALL: &'static [Self];
    /// The place in [`Label::ALL`].
    fn index(self) -> usize;
    /// The value in Prometheus.
    fn text(self) -> &'static str;
}

/// Defines an enum that is a [`Label`], from variants and their texts.
macro_rules! labels {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name { $( $(#[$doc])* $variant, )+ }

        impl $name {
            /// All of them, in the order of [`Self::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The place in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl $crate::telemetry::Label for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn index(self) -> usize {
                self.index()
            }

            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    };
}
pub(crate) use labels;

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

/// A counter for each [`Problem`], labelled with its blame as well.
#[derive(Debug)]
pub struct Errors(Box<[Count]>);

impl Errors {
    /// The counter of a problem.
    pub fn get(&self, problem: Problem) -> &Count {
        &self.0[problem.index()]
    }
}

/// Makes metrics and registers them.
#[derive(Default)]
pub(super) struct Builder {
    registry: Registry,
}

impl Builder {
    pub(super) fn count(&self, name: &str, help: &str) -> Count {
        Count(self.register(IntCounter::new(full(name), help)))
    }

    pub(super) fn level(&self, name: &str, help: &str) -> Level {
        Level(self.register(IntGauge::new(full(name), help)))
    }

    pub(super) fn float_count(&self, name: &str, help: &str) -> Counter {
        self.register(Counter::new(full(name), help))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(full(name), help))
    }

    pub(super) fn info(&self, name: &str, help: &str, label: &str, value: &str) {
        self.register(IntGauge::with_opts(Opts::new(full(name), help).const_label(label, value)))
            .set(1);
    }

    pub(super) fn seconds(&self, name: &str, help: &str, buckets: &[f64]) -> Seconds {
        let options = HistogramOpts::new(full(name), help).buckets(buckets.to_vec());
        Seconds(self.register(Histogram::with_opts(options)))
    }

    pub(super) fn family<L: Label>(&self, name: &str, help: &str, label: &str) -> Family<L> {
        let vec = self.vec(name, help, &[label]);
        let counts = L::ALL.iter().map(|value| Count(vec.with_label_values(&[value.text()])));
        Family { counts: counts.collect(), label: PhantomData }
    }

    pub(super) fn family2<A: Label, B: Label>(
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

    pub(super) fn errors(&self, name: &str, help: &str) -> Errors {
        let vec = self.vec(name, help, &["blame", "code"]);
        let counts = Problem::ALL.iter().map(|problem| {
            Count(vec.with_label_values(&[problem.blame().as_str(), problem.as_str()]))
        });
        Errors(counts.collect())
    }

    pub(super) fn finish(self) -> Registry {
        self.registry
    }

    fn vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(full(name), help), labels))
    }

    fn register<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("our names, labels and buckets are valid");
        self.registry.register(Box::new(metric.clone())).expect("our names differ");
        metric
    }
}

fn full(name: &str) -> String {
    format!("wingman_edge_{name}")
}
