//! The results of a run.

use std::collections::BTreeMap;

use crate::{load::Sample, peer::Kind, point::Point};

/// All results.
#[derive(Debug, Default)]
pub struct Figures {
    /// Peers that ran, in the order of tables.
    pub peers: Vec<Kind>,
    /// Peers that did not, and why.
    pub skipped: Vec<(Kind, String)>,
    /// What was measured.
    pub points: Vec<Point>,
    /// Rounds over all of it.
    pub rounds: u32,
    /// Seconds for each point and peer in a round.
    pub seconds: u64,
    /// What went wrong, in words.
    pub failures: Vec<String>,
    /// Memory while and after the loads.
    pub footprints: BTreeMap<Kind, Footprint>,
    /// What idling costs.
    pub idle: Vec<Idle>,
    pub(crate) cells: BTreeMap<(&'static str, Kind), Vec<Option<Round>>>,
}

/// One peer at one point in one round.
#[derive(Clone, Debug)]
pub struct Round {
    /// What the client saw.
    pub sample: Sample,
    /// CPU µs for each request, by process.
    pub cpu: Vec<(&'static str, f64)>,
}

impl Round {
    /// CPU µs for each request of all its processes.
    pub fn cpu_sum(&self) -> f64 {
        self.cpu.iter().map(|(_, micros)| micros).sum()
    }

    /// CPU µs for each request of the process `role`.
    pub fn cpu_of(&self, role: &str) -> Option<f64> {
        self.cpu.iter().find(|(name, _)| *name == role).map(|(_, micros)| *micros)
    }
}

/// Resident memory by process, in kB.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    /// After the first request.
    pub idle: Vec<(&'static str, u64)>,
    /// The most, up to the end of all rounds.
    pub peak: Vec<(&'static str, u64)>,
}

/// What one more idle thing costs.
#[derive(Clone, Debug)]
pub struct Idle {
    /// Of which peer.
    pub kind: Kind,
    /// What.
    pub thing: Thing,
    /// How many there were.
    pub count: usize,
    /// How many more could not be opened.
    pub failed: usize,
    /// kB of resident memory for each, by process.
    pub each: Vec<(&'static str, f64)>,
}

/// Something that idles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A visitor's keep-alive connection after one request.
    Visitor,
    /// A WebSocket from visitor to origin.
    WebSocket,
    /// A host's link with its session.
    Session,
}

impl Thing {
    /// Its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::WebSocket => "WebSocket",
            Self::Session => "session",
        }
    }
}

impl Figures {
    /// Adds what one peer did at one point in the round that runs.
    pub fn add(&mut self, point: Point, kind: Kind, round: Option<Round>) {
        self.cells.entry((point.name(), kind)).or_default().push(round);
    }

    /// The rounds of one peer at one point that went well.
    pub fn rounds(&self, point: Point, kind: Kind) -> impl Iterator<Item = &Round> {
        self.cells.get(&(point.name(), kind)).into_iter().flatten().flatten()
    }

    /// The median of something over the rounds.
    pub fn median(&self, point: Point, kind: Kind, of: impl Fn(&Round) -> f64) -> Option<f64> {
        median(self.rounds(point, kind).map(of).collect())
    }

    /// The median over the rounds of a ratio inside each round: least, median, most.
    pub fn ratio(
        &self,
        of: (Point, Kind),
        to: (Point, Kind),
        value: impl Fn(&Round) -> f64,
    ) -> Option<Spread> {
        let over = self.cells.get(&(of.0.name(), of.1))?;
        let under = self.cells.get(&(to.0.name(), to.1))?;
        let mut ratios: Vec<f64> = over
            .iter()
            .zip(under)
            .filter_map(|(over, under)| {
                let (over, under) = (value(over.as_ref()?), value(under.as_ref()?));
                (under > 0.0).then(|| over / under)
            })
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        Some(Spread { least: *ratios.first()?, most: *ratios.last()?, median: median(ratios)? })
    }

    /// All errors that clients counted.
    pub fn errors(&self, kind: Kind) -> u64 {
        let of =
            |point: &Point| self.rounds(*point, kind).map(|round| round.sample.errors).sum::<u64>();
        self.points.iter().map(of).sum()
    }

    /// What idling costs one process of a peer.
    pub fn idle_kb(&self, kind: Kind, thing: Thing, role: &str) -> Option<f64> {
        let idle = self.idle.iter().find(|idle| idle.kind == kind && idle.thing == thing)?;
        idle.each.iter().find(|(name, _)| *name == role).map(|(_, kb)| *kb)
    }
}

/// A median and what it is the middle of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub least: f64,
    /// The middle.
    pub median: f64,
    /// The largest.
    pub most: f64,
}

/// The middle of `values`; between two, their mean.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(middle.checked_sub(1)?)?, upper))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::time::Duration;

    pub(crate) fn round(rate: u64, role: &'static str) -> Round {
        let sample = Sample {
            requests: rate,
            elapsed: Duration::from_secs(1),
            bytes: rate * 1024,
            p50: Duration::from_micros(100),
            p99: Duration::from_micros(200),
            errors: 1,
        };
        Round { sample, cpu: vec![(role, 20.0), ("other", 10.0)] }
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn ratios_are_taken_inside_rounds_and_a_failed_one_spoils_only_its_own() {
        let mut figures = Figures { points: vec![Point::One], ..Figures::default() };
        for (plain, wingman) in [(100, Some(50)), (10, Some(10)), (1_000, None), (100, Some(70))] {
            figures.add(Point::One, Kind::Plain, Some(round(plain, "plain")));
            figures.add(Point::One, Kind::Wingman, wingman.map(|rate| round(rate, "edge")));
        }
        let of = (Point::One, Kind::Wingman);
        let ratio = figures.ratio(of, (Point::One, Kind::Plain), |round| round.sample.rate());
        assert_eq!(ratio, Some(Spread { least: 0.5, median: 0.7, most: 1.0 }));
        assert_eq!(figures.errors(Kind::Wingman), 3);
        assert_eq!(figures.median(Point::One, Kind::Wingman, Round::cpu_sum), Some(30.0));
        assert!(figures.ratio(of, (Point::Bulk, Kind::Plain), |_| 1.0).is_none());
    }
}
