//! The results for programs.

use serde_json::{Map, Value, json};

use crate::{
    figures::{Figures, Round},
    target::{Bound, targets},
};

/// All figures, each round by itself.
pub fn json(figures: &Figures) -> Value {
    json!({
        "rounds": figures.rounds,
        "seconds": figures.seconds,
        "skipped": object(figures.skipped.iter().map(|(kind, why)| (kind.name(), json!(why)))),
        "failures": figures.failures,
        "targets": targets(figures).iter().map(|target| json!({
            "what": target.what,
            "bound": match target.bound {
                Bound::AtLeast(bound) => json!({ "atLeast": bound }),
                Bound::AtMost(bound) => json!({ "atMost": bound }),
            },
            "measured": target.measured,
            "reached": target.measured.map(|value| target.bound.holds(value)),
            "detail": target.detail,
        })).collect::<Vec<_>>(),
        "points": object(figures.points.iter().map(|point| {
            let peer = |kind: &crate::peer::Kind| {
                let rounds: Vec<_> = figures.rounds(*point, *kind).map(round).collect();
                (kind.name(), json!(rounds))
            };
            (point.name(), object(figures.peers.iter().map(peer)))
        })),
        "memoryKb": object(figures.footprints.iter().map(|(kind, footprint)| {
            let by_role = |memory: &[(&'static str, u64)]| {
                object(memory.iter().map(|(role, kb)| (*role, json!(kb))))
            };
            (kind.name(), json!({ "idle": by_role(&footprint.idle), "peak": by_role(&footprint.peak) }))
        })),
        "idleKb": figures.idle.iter().map(|idle| json!({
            "peer": idle.kind.name(),
            "thing": idle.thing.name(),
            "count": idle.count,
            "failed": idle.failed,
            "each": object(idle.each.iter().map(|(role, kb)| (*role, json!(kb)))),
        })).collect::<Vec<_>>(),
    })
}

fn round(round: &Round) -> Value {
    let sample = &round.sample;
    json!({
        "requests": sample.requests,
        "seconds": sample.elapsed.as_secs_f64(),
        "bytes": sample.bytes,
        "p50Us": sample.p50.as_secs_f64() * 1e6,
        "p99Us": sample.p99.as_secs_f64() * 1e6,
        "errors": sample.errors,
        "cpuUsPerRequest": object(round.cpu.iter().map(|(role, micros)| (*role, json!(micros)))),
    })
}

fn object<'a>(pairs: impl Iterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figures::tests::round as a_round, peer::Kind, point::Point};

    #[test]
    fn each_round_is_there_by_point_and_peer() {
        let mut figures =
            Figures { peers: vec![Kind::Wingman], points: vec![Point::One], ..Figures::default() };
        figures.add(Point::One, Kind::Wingman, Some(a_round(80, "edge")));
        figures.add(Point::One, Kind::Wingman, None);
        let json = json(&figures);
        let rounds = json["points"]["c1"]["wingman"].as_array().unwrap();
        assert_eq!(rounds.len(), 1);
        assert_eq!(rounds[0]["requests"], 80);
        assert_eq!(rounds[0]["cpuUsPerRequest"]["edge"], 20.0);
        assert_eq!(json["targets"][0]["reached"], Value::Null);
    }
}
