use super::*;

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.exposition().encode().1).unwrap()
}

fn value(text: &str, series: &str) -> f64 {
    let line =
        text.lines().find(|line| line.strip_prefix(series).is_some_and(|l| l.starts_with(' ')));
    line.unwrap_or_else(|| panic!("no {series} in:\n{text}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn counting_shows() {
    let metrics = Metrics::new();
    let session = metrics.sessions.hold();
    let _other = metrics.sessions.hold();
    metrics.sessions_opened.add(2);
    metrics.sessions_closed.get(SessionEnd::Expired).add(1);
    metrics.exchange_ended(Path::Relay, Outcome::of(204), Some(Duration::from_millis(30)));
    metrics.exchange_ended(Path::Relay, Outcome::of(101), None);
    metrics.content_bytes.get(Path::Relay, Content::Response).add(1 << 40);
    metrics.problem(Problem::OriginRefused);
    drop(session);
    let text = text(&metrics);
    for (series, expected) in [
        ("sessions", 1.0),
        ("sessions_opened_total", 2.0),
        ("sessions_closed_total{reason=\"expired\"}", 1.0),
        ("sessions_closed_total{reason=\"ended\"}", 0.0),
        ("exchanges_total{path=\"relay\",status=\"2xx\"}", 1.0),
        ("exchanges_total{path=\"relay\",status=\"1xx\"}", 1.0),
        ("exchange_duration_seconds_count", 1.0),
        ("exchange_duration_seconds_bucket{le=\"0.025\"}", 0.0),
        ("exchange_duration_seconds_bucket{le=\"0.05\"}", 1.0),
        ("content_bytes_total{direction=\"response\",path=\"relay\"}", (1_u64 << 40) as f64),
        ("content_bytes_total{direction=\"request\",path=\"relay\"}", 0.0),
        ("errors_total{blame=\"origin\",code=\"origin-refused\"}", 1.0),
    ] {
        assert_eq!(value(&text, &format!("wingman_edge_{series}")), expected, "{series}");
    }
}

#[test]
fn pairs_of_labels_do_not_mix() {
    let metrics = Metrics::new();
    for (amount, outcome) in (1..).zip(Outcome::ALL) {
        metrics.exchanges.get(Path::Relay, *outcome).add(amount);
    }
    let text = text(&metrics);
    for (amount, outcome) in (1_u32..).zip(Outcome::ALL) {
        let series = format!(
            "wingman_edge_exchanges_total{{path=\"relay\",status=\"{}\"}}",
            outcome.as_str()
        );
        assert_eq!(value(&text, &series), f64::from(amount));
    }
}

#[test]
fn labels_stand_at_their_index() {
    fn check<L: Label + PartialEq + std::fmt::Debug>() {
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "{label:?}");
        }
    }
    check::<Problem>();
    check::<LinkEnd>();
    check::<LinkRefusal>();
}

/// The rules of `promtool check metrics` that apply here, so that they hold without promtool too.
#[test]
fn names_follow_the_conventions() {
    let metrics = Metrics::new();
    assert_eq!(metrics.exposition().encode().0, "text/plain; version=0.0.4");
    let text = text(&metrics);
    let (mut helped, mut typed) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.len() > 5, "{name} has no help");
            helped.push(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name.starts_with("wingman_edge_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
            if kind == "histogram" {
                assert!(name.ends_with("_seconds"), "{name}");
            }
            typed.push(name.to_owned());
        }
    }
    assert_eq!(helped, typed);
    assert!(typed.len() > 20, "{typed:?}");
}

#[test]
fn two_edges_in_one_process_do_not_share() {
    let (one, two) = (Metrics::new(), Metrics::new());
    one.sessions_opened.add(1);
    assert_eq!(two.sessions_opened.value(), 0);
}
