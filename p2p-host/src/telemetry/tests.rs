use std::time::Duration;

use super::*;
use crate::status::Outcome as End;

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.exposition().encode().1).unwrap()
}

#[track_caller]
fn says(metrics: &Metrics, series: &str, expected: u64) {
    let (text, line) = (text(metrics), format!("wingman_host_{series} {expected}"));
    assert!(text.lines().any(|other| other == line), "{line} is not in:\n{text}");
}

fn exchange(path: Path, status: Option<u16>, outcome: End) -> Event {
    Event::Exchange(ExchangeRecord {
        method: "GET".into(),
        target: "/".into(),
        status,
        duration: Duration::from_millis(3),
        head_after: None,
        bytes_in: 10,
        bytes_out: 200,
        path,
        visitor: "v1".into(),
        outcome,
        upgraded: false,
    })
}

#[test]
fn exchanges_are_counted_by_path() {
    let metrics = Metrics::new();
    metrics.on_event(&exchange(Path::Direct, Some(204), End::Finished));
    metrics.on_event(&exchange(Path::Direct, Some(200), End::Finished));
    let reset = |by| End::Reset { by, reason: "left".into() };
    metrics.on_event(&exchange(Path::Direct, None, reset(Blame::Visitor)));
    metrics.on_event(&exchange(Path::Relay, Some(502), reset(Blame::Origin)));
    for (series, expected) in [
        ("exchanges_total{path=\"direct\",status=\"2xx\"}", 2),
        ("exchanges_total{path=\"direct\",status=\"none\"}", 1),
        ("exchanges_total{path=\"relay\",status=\"2xx\"}", 0),
        ("exchanges_total{path=\"relay\",status=\"5xx\"}", 1),
        ("exchange_resets_total{blame=\"visitor\",path=\"direct\"}", 1),
        ("exchange_resets_total{blame=\"visitor\",path=\"relay\"}", 0),
        ("exchange_resets_total{blame=\"origin\",path=\"relay\"}", 1),
        ("content_bytes_total{direction=\"request\",path=\"direct\"}", 30),
        ("content_bytes_total{direction=\"response\",path=\"direct\"}", 600),
        ("content_bytes_total{direction=\"response\",path=\"relay\"}", 200),
    ] {
        says(&metrics, series, expected);
    }
}

#[test]
fn links_are_counted() {
    let metrics = Metrics::new();
    let ready = |resumed| Event::Ready {
        url: "https://a.example".into(),
        session: "a".into(),
        edge: "https://example".into(),
        target: "http://localhost:3000".into(),
        resumed,
        version: 1,
    };
    metrics.on_event(&ready(false));
    for _ in 0..2 {
        metrics.on_event(&Event::LinkLost { reason: "silent".into(), retry_in_ms: 200 });
        metrics.on_event(&ready(true));
    }
    metrics.on_event(&Event::Closing { reason: "enough".into() });
    says(&metrics, "links_opened_total{start=\"new\"}", 1);
    says(&metrics, "links_opened_total{start=\"resumed\"}", 2);
    says(&metrics, "links_lost_total", 2);
}

#[test]
fn labels_stand_at_their_index() {
    for (index, path) in Path::ALL.iter().enumerate() {
        assert_eq!(path.index(), index);
        // The word is that of the log.
        assert_eq!(serde_json::to_value(path).unwrap(), path.text());
    }
    for (index, start) in LinkStart::ALL.iter().enumerate() {
        assert_eq!(start.index(), index);
    }
}
