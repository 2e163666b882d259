//! What the relay path shall reach, and what it did.

use crate::{
    figures::{Figures, Round, Thing},
    peer::Kind,
    point::Point,
};

/// One target and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is about.
    pub what: &'static str,
    /// The bound.
    pub bound: Bound,
    /// `None`: not measured.
    pub measured: Option<f64>,
    /// More about the measurement.
    pub detail: String,
}

/// On which side of a number is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
}

impl Bound {
    /// Whether `value` is within.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

/// All targets of issue 2.
pub fn targets(figures: &Figures) -> Vec<Target> {
    let rate = |what, point, bound| {
        let to_plain = figures
            .ratio((point, Kind::Wingman), (point, Kind::Plain), |round| round.sample.rate());
        Target {
            what,
            bound: Bound::AtLeast(bound),
            measured: to_plain.map(|ratio| ratio.median),
            detail: to_plain
                .map(|ratio| format!("rounds {:.2} to {:.2}", ratio.least, ratio.most))
                .unwrap_or_default(),
        }
    };
    vec![
        rate("requests/s at 32 connections, to plain Pingora", Point::Some32, 0.65),
        rate("requests/s at 256 connections, to plain Pingora", Point::Many256, 0.80),
        rate("requests/s with Connection: close, to plain Pingora", Point::Close, 0.75),
        rate("100 MB download, to plain Pingora", Point::Bulk, 0.90),
        first_half(figures),
        cpu(figures),
        beside(figures),
        peak(figures),
        each("kB per idle visitor at the edge", Thing::Visitor, figures),
        each("kB per idle session at the edge", Thing::Session, figures),
    ]
}

fn first_half(figures: &Figures) -> Target {
    let p50 = |round: &Round| round.sample.p50.as_secs_f64();
    let ratio = figures.ratio((Point::One, Kind::Wingman), (Point::One, Kind::Plain), p50);
    Target {
        what: "p50 at one connection, to plain Pingora",
        bound: Bound::AtMost(1.5),
        measured: ratio.map(|ratio| ratio.median),
        detail: ratio
            .map(|ratio| format!("rounds {:.2} to {:.2}", ratio.least, ratio.most))
            .unwrap_or_default(),
    }
}

fn cpu(figures: &Figures) -> Target {
    let of = |role: &'static str| {
        figures.median(Point::Some32, Kind::Wingman, |round| round.cpu_of(role).unwrap_or_default())
    };
    let detail = match (of("edge"), of("host")) {
        (Some(edge), Some(host)) => {
            format!("edge {edge:.1}, host {host:.1}{}", cpu_beside(figures))
        }
        _ => String::new(),
    };
    Target {
        what: "CPU us per 1 KB request at 32 connections, edge + host",
        bound: Bound::AtMost(55.0),
        measured: figures.median(Point::Some32, Kind::Wingman, Round::cpu_sum),
        detail,
    }
}

/// Neighbours on the machine make every request dearer, and the plain proxy's as much.
fn cpu_beside(figures: &Figures) -> String {
    let cost = (Point::Some32, Kind::Plain);
    let plain = figures.median(cost.0, cost.1, Round::cpu_sum);
    let ratio = figures.ratio((Point::Some32, Kind::Wingman), cost, Round::cpu_sum);
    match (plain, ratio) {
        (Some(plain), Some(ratio)) => {
            format!("; {:.2} times the plain proxy's {plain:.1} in this run", ratio.median)
        }
        _ => String::new(),
    }
}

fn beside(figures: &Figures) -> Target {
    let p99 = |round: &Round| round.sample.p99.as_secs_f64();
    let factor = |kind| figures.ratio((Point::Beside, kind), (Point::Alone, kind), p99);
    let others = figures
        .peers
        .iter()
        .filter(|kind| **kind != Kind::Wingman)
        .filter_map(|kind| Some(format!("{} {:.1}", kind.name(), factor(*kind)?.median)));
    Target {
        what: "p99 of a 1 KB client beside a bulk download, to its p99 alone",
        bound: Bound::AtMost(3.0),
        measured: factor(Kind::Wingman).map(|factor| factor.median),
        detail: others.collect::<Vec<_>>().join(", "),
    }
}

fn peak(figures: &Figures) -> Target {
    let peak = figures.footprints.get(&Kind::Wingman).map(|footprint| &footprint.peak);
    let peak = peak.filter(|peak| !peak.is_empty());
    let mb = |kb: u64| kb as f64 / 1024.0;
    Target {
        what: "peak memory in MB, edge + host",
        bound: Bound::AtMost(60.0),
        measured: peak.map(|peak| peak.iter().map(|(_, kb)| mb(*kb)).sum()),
        detail: peak
            .into_iter()
            .flatten()
            .map(|(role, kb)| format!("{role} {:.1}", mb(*kb)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn each(what: &'static str, thing: Thing, figures: &Figures) -> Target {
    Target {
        what,
        bound: Bound::AtMost(20.0),
        measured: figures.idle_kb(Kind::Wingman, thing, "edge"),
        detail: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Footprint, tests::round};

    #[test]
    fn bounds_hold_on_their_side() {
        assert!(Bound::AtLeast(0.65).holds(0.65) && !Bound::AtLeast(0.65).holds(0.64));
        assert!(Bound::AtMost(1.5).holds(1.5) && !Bound::AtMost(1.5).holds(1.51));
    }

    #[test]
    fn what_was_not_measured_is_neither_reached_nor_missed() {
        let targets = targets(&Figures::default());
        assert_eq!(targets.len(), 10);
        assert!(targets.iter().all(|target| target.measured.is_none()));
    }

    #[test]
    fn a_measured_target_has_its_value() {
        let mut figures = Figures { points: vec![Point::Some32], ..Figures::default() };
        figures.add(Point::Some32, Kind::Plain, Some(round(100, "plain")));
        let mut wingman = round(70, "edge");
        wingman.cpu[1].0 = "host";
        figures.add(Point::Some32, Kind::Wingman, Some(wingman));
        let peak = vec![("edge", 30 * 1024), ("host", 20 * 1024)];
        figures.footprints.insert(Kind::Wingman, Footprint { idle: Vec::new(), peak });
        let targets = targets(&figures);
        assert_eq!(targets[0].measured, Some(0.7));
        assert_eq!(targets[5].measured, Some(30.0));
        assert!(targets[5].detail.ends_with("; 1.00 times the plain proxy's 30.0 in this run"));
        assert_eq!(targets[7].measured, Some(50.0));
        assert_eq!(targets[7].detail, "edge 30.0, host 20.0");
        assert_eq!(targets[1].measured, None);
    }
}
