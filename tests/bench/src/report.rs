//! The results as Markdown.

use std::fmt::Write as _;

use crate::{
    figures::{Figures, Round, Spread, Thing},
    peer::Kind,
    point::Point,
    target::{Bound, Target, targets},
};

/// All tables.
pub fn markdown(figures: &Figures) -> String {
    let mut out = String::new();
    let (rounds, seconds) = (figures.rounds, figures.seconds);
    line(&mut out, "# Bench of the relay path");
    line(&mut out, "");
    line(
        &mut out,
        &format!(
            "{rounds} interleaved rounds of {seconds} s for each cell; medians over rounds, ratios inside rounds."
        ),
    );
    for (kind, why) in &figures.skipped {
        line(&mut out, &format!("\n**{} was left out:** {why}", kind.name()));
    }
    if !figures.failures.is_empty() {
        line(&mut out, "\n**What went wrong:**");
        for failure in &figures.failures {
            line(&mut out, &format!("- {failure}"));
        }
    }
    section_targets(&mut out, figures);
    if !figures.points.is_empty() {
        sections_points(&mut out, figures);
    }
    section_memory(&mut out, figures);
    section_idle(&mut out, figures);
    out
}

fn section_targets(out: &mut String, figures: &Figures) {
    line(out, "\n## Targets (wingman)\n\n| target | bound | measured | | |\n|---|---|---|---|---|");
    for target in targets(figures) {
        line(out, &target_row(&target));
    }
}

fn target_row(target: &Target) -> String {
    let bound = match target.bound {
        Bound::AtLeast(bound) => format!("≥ {bound}"),
        Bound::AtMost(bound) => format!("≤ {bound}"),
    };
    let (measured, verdict) = match target.measured {
        None => ("-".to_owned(), "not measured"),
        Some(value) if target.bound.holds(value) => (format!("{value:.2}"), "reached"),
        Some(value) => (format!("{value:.2}"), "**missed**"),
    };
    format!("| {} | {bound} | {measured} | {verdict} | {} |", target.what, target.detail)
}

fn sections_points(out: &mut String, figures: &Figures) {
    for (base, name) in [(Kind::Plain, "a plain Pingora proxy"), (Kind::Origin, "the origin alone")]
    {
        if figures.peers.contains(&base) {
            line(out, &format!("\n## Throughput, ratio to {name} (least-most)\n"));
            table(out, figures, |point, kind| {
                let rate = |round: &Round| round.sample.rate();
                ratio(figures.ratio((point, kind), (point, base), rate))
            });
        }
    }
    line(out, "\n## Throughput: requests/s; 100 MB: MB/s\n");
    table(out, figures, |point, kind| {
        let value = figures.median(point, kind, |round| match point {
            Point::Bulk => round.sample.megabytes(),
            _ => round.sample.rate(),
        });
        value.map_or_else(missing, |value| format!("{value:.0}"))
    });
    line(out, "\n## Latency, p50 / p99 in us (100 MB: whole downloads), and errors of all loads\n");
    latency(out, figures);
    line(out, "\n## CPU us per request (100 MB: ms per download), by process\n");
    cpu(out, figures);
}

/// Rows are peers, columns points.
fn table(out: &mut String, figures: &Figures, cell: impl Fn(Point, Kind) -> String) {
    let titles: Vec<_> = figures.points.iter().map(|point| point.title()).collect();
    line(out, &format!("| peer | {} |\n|---{}|", titles.join(" | "), "|---".repeat(titles.len())));
    for kind in &figures.peers {
        let cells: Vec<_> = figures.points.iter().map(|point| cell(*point, *kind)).collect();
        line(out, &format!("| {} | {} |", kind.name(), cells.join(" | ")));
    }
}

fn latency(out: &mut String, figures: &Figures) {
    let titles: Vec<_> = figures.points.iter().map(|point| point.title()).collect();
    line(
        out,
        &format!(
            "| peer | {} | errors |\n|---{}|---|",
            titles.join(" | "),
            "|---".repeat(titles.len())
        ),
    );
    for kind in &figures.peers {
        let mut row = format!("| {} |", kind.name());
        for point in &figures.points {
            let p50 = figures.median(*point, *kind, |round| round.sample.p50.as_secs_f64() * 1e6);
            let p99 = figures.median(*point, *kind, |round| round.sample.p99.as_secs_f64() * 1e6);
            let cell = match (p50, p99) {
                (Some(p50), Some(p99)) => format!("{p50:.0} / {p99:.0}"),
                _ => missing(),
            };
            row.push_str(&format!(" {cell} |"));
        }
        line(out, &format!("{row} {} |", figures.errors(*kind)));
    }
}

/// Beside a bulk download the CPU is not the small requests', so that column stays empty.
fn cpu(out: &mut String, figures: &Figures) {
    table(out, figures, |point, kind| {
        let scale = match point {
            Point::Bulk => 1e-3,
            Point::Beside => return missing(),
            _ => 1.0,
        };
        let Some(round) = figures.rounds(point, kind).next() else { return missing() };
        let roles: Vec<&'static str> = round.cpu.iter().map(|(role, _)| *role).collect();
        let of = |role: &'static str| {
            figures.median(point, kind, |round| round.cpu_of(role).unwrap_or_default() * scale)
        };
        let parts: Vec<_> = roles
            .iter()
            .map(|role| of(role).map_or_else(missing, |micros| format!("{micros:.0}")))
            .collect();
        let sum = figures.median(point, kind, |round| round.cpu_sum() * scale).unwrap_or_default();
        if parts.len() > 1 {
            format!("{sum:.0} = {}", parts.join(" + "))
        } else {
            format!("{sum:.0}")
        }
    });
    line(out, "\nwingman = edge + host; bore and rathole = server + client.");
}

fn section_memory(out: &mut String, figures: &Figures) {
    line(out, "\n## Resident memory in MB: after one request, and at most in all rounds\n");
    line(out, "| process | idle | peak |\n|---|---|---|");
    for (kind, footprint) in &figures.footprints {
        for (role, idle) in &footprint.idle {
            let peak = footprint.peak.iter().find(|(name, _)| name == role);
            let peak = peak.map_or_else(missing, |(_, kb)| mb(*kb));
            line(out, &format!("| {} {role} | {} | {peak} |", kind.name(), mb(*idle)));
        }
    }
}

fn section_idle(out: &mut String, figures: &Figures) {
    if figures.idle.is_empty() {
        return;
    }
    line(out, "\n## kB of resident memory for each idle thing (fresh processes)\n");
    line(out, "| peer | thing | how many | failed | kB each |\n|---|---|---|---|---|");
    for thing in [Thing::Visitor, Thing::WebSocket, Thing::Session] {
        for idle in figures.idle.iter().filter(|idle| idle.thing == thing) {
            let each: Vec<_> =
                idle.each.iter().map(|(role, kb)| format!("{role} {kb:.1}")).collect();
            let (kind, thing) = (idle.kind.name(), thing.name());
            let (count, failed, each) = (idle.count, idle.failed, each.join(", "));
            line(out, &format!("| {kind} | {thing} | {count} | {failed} | {each} |"));
        }
    }
}

fn ratio(spread: Option<Spread>) -> String {
    spread.map_or_else(missing, |Spread { least, median, most }| {
        format!("{median:.2} ({least:.2}-{most:.2})")
    })
}

fn mb(kb: u64) -> String {
    format!("{:.1}", kb as f64 / 1024.0)
}

fn missing() -> String {
    "-".to_owned()
}

fn line(out: &mut String, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Idle, tests::round};

    fn figures() -> Figures {
        let mut figures = Figures {
            peers: vec![Kind::Plain, Kind::Wingman],
            points: vec![Point::One, Point::Bulk],
            rounds: 1,
            skipped: vec![(Kind::Bore, "not installed".to_owned())],
            failures: vec!["round 1, 100m, wingman: cut".to_owned()],
            ..Figures::default()
        };
        figures.add(Point::One, Kind::Plain, Some(round(100, "plain")));
        figures.add(Point::One, Kind::Wingman, Some(round(80, "edge")));
        figures.add(Point::Bulk, Kind::Wingman, None);
        let each = vec![("edge", 12.34), ("host", 0.0)];
        figures.idle.push(Idle {
            kind: Kind::Wingman,
            thing: Thing::Visitor,
            count: 7,
            failed: 2,
            each,
        });
        figures
    }

    #[test]
    fn what_is_missing_or_failed_is_said_aloud() {
        let text = markdown(&figures());
        assert!(text.contains("**bore was left out:** not installed"), "{text}");
        assert!(text.contains("- round 1, 100m, wingman: cut"));
        assert!(text.contains("| wingman | 0.80 (0.80-0.80) | - |"));
        assert!(text.contains(
            "| requests/s at 32 connections, to plain Pingora | ≥ 0.65 | - | not measured |"
        ));
    }

    #[test]
    fn cells_and_verdicts() {
        let text = markdown(&figures());
        assert!(text.contains("| wingman | 30 = 20 + 10 | - |"), "{text}");
        assert!(text.contains("| wingman | 100 / 200 | - | 1 |"));
        assert!(
            text.contains("| p50 at one connection, to plain Pingora | ≤ 1.5 | 1.00 | reached |")
        );
        assert!(text.contains("| kB per idle visitor at the edge | ≤ 20 | 12.34 | reached |"));
        assert!(text.contains("| wingman | visitor | 7 | 2 | edge 12.3, host 0.0 |"));
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells() {
        let text = markdown(&figures());
        let mut columns = None;
        for line in text.lines() {
            let count = line.matches('|').count();
            match columns {
                Some(columns) if line.starts_with('|') => assert_eq!(count, columns, "{line}"),
                _ => columns = line.starts_with('|').then_some(count),
            }
        }
    }
}
