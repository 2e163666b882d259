//! What a page's messages say about its direct path, as metrics.

use std::{sync::Arc, time::Duration};

use wingman_wire::signal::{Body, Family, Protocol, Reason, Report, State};

use crate::telemetry::{Content, Metrics, Transport};

/// One page, through one socket.
#[derive(Debug)]
pub(super) struct Progress {
    metrics: Arc<Metrics>,
    state: Attempt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// None is under way.
    Idle,
    /// It has offered and neither succeeded nor failed yet.
    Trying,
}

impl Progress {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, state: Attempt::Idle }
    }

    /// A message of the page.
    pub(super) fn on_message(&mut self, body: &Body) {
        match body {
            Body::Offer(_) => {
                if self.state == Attempt::Idle {
                    self.metrics.direct.attempts.add(1);
                    self.state = Attempt::Trying;
                }
            }
            Body::ConnectionState(said) => {
                match said.state {
                    State::Connected => self.succeeded(),
                    State::Failed | State::Closed => {
                        self.failed(said.reason.unwrap_or(Reason::Other));
                    }
                    State::New | State::Connecting | State::Disconnected => {}
                }
                if let Some(report) = &said.report {
                    self.on_report(report);
                }
            }
            Body::Answer(_) | Body::IceCandidate(_) => {}
        }
    }

    /// The attempt that is under way, if any, has failed.
    pub(super) fn failed(&mut self, reason: Reason) {
        if self.state == Attempt::Trying {
            self.metrics.direct.failures.get(reason).add(1);
            self.state = Attempt::Idle;
        }
    }

    fn succeeded(&mut self) {
        if self.state == Attempt::Trying {
            self.metrics.direct.successes.add(1);
            self.state = Attempt::Idle;
        }
    }

    fn on_report(&self, report: &Report) {
        let metrics = &self.metrics.direct;
        for (value, histogram) in [
            (report.time_to_direct_ms, &metrics.time_to_direct),
            (report.direct_round_trip_ms, &metrics.direct_round_trip),
            (report.relay_round_trip_ms, &metrics.relay_round_trip),
        ] {
            if let Some(duration) = value.and_then(duration) {
                histogram.observe(duration);
            }
        }
        metrics.exchanges.add(report.direct_exchanges.min(MAX_EXCHANGES));
        let bytes = |direction| metrics.content_bytes.get(direction);
        bytes(Content::Request).add(report.direct_bytes_sent.min(MAX_BYTES));
        bytes(Content::Response).add(report.direct_bytes_received.min(MAX_BYTES));
        for fallback in report.fallbacks.iter().take(MAX_FALLBACKS) {
            metrics.fallbacks.get(fallback.cause).add(1);
            if let Some(duration) = duration(fallback.duration_ms) {
                metrics.fallback_duration.observe(duration);
            }
        }
        if let Some(network) = report.network {
            let transport = match (network.protocol, network.family) {
                (Protocol::Udp, Family::V4) => Transport::UdpV4,
                (Protocol::Udp, Family::V6) => Transport::UdpV6,
                (Protocol::Tcp, Family::V4) => Transport::TcpV4,
                (Protocol::Tcp, Family::V6) => Transport::TcpV6,
            };
            metrics.networks.get(network.candidate, transport).add(1);
        }
    }
}

/// Milliseconds that can be true; others are not counted, for they would only spoil sums.
fn duration(milliseconds: f64) -> Option<Duration> {
    (0.0..=MAX_MILLISECONDS)
        .contains(&milliseconds)
        .then(|| Duration::from_secs_f64(milliseconds / 1_000.0))
}

const MAX_MILLISECONDS: f64 = 120_000.0;
/// Of one report. Pages report every few seconds.
const MAX_EXCHANGES: u64 = 100_000;
const MAX_BYTES: u64 = 16 << 30;
const MAX_FALLBACKS: usize = 32;

#[cfg(test)]
mod tests {
    use wingman_wire::signal::{
        Candidate, CandidateKind, ConnectionState, Description, Fallback, Network,
    };

    use super::*;

    fn offer() -> Body {
        Body::Offer(Description { sdp: String::new() })
    }

    fn state(state: State, reason: Option<Reason>) -> Body {
        Body::ConnectionState(ConnectionState { state, reason, report: None })
    }

    fn report(report: Report) -> Body {
        let report = Some(report);
        Body::ConnectionState(ConnectionState { state: State::Connected, reason: None, report })
    }

    fn counts(metrics: &Metrics) -> [u64; 4] {
        let direct = &metrics.direct;
        let failed = |reason| direct.failures.get(reason).value();
        [
            direct.attempts.value(),
            direct.successes.value(),
            failed(Reason::Timeout),
            failed(Reason::Other),
        ]
    }

    #[test]
    fn each_attempt_ends_once() {
        let metrics = Arc::new(Metrics::new());
        let mut page = Progress::new(metrics.clone());
        // Nothing under way, nothing counted.
        page.on_message(&state(State::Connected, None));
        page.on_message(&state(State::Failed, Some(Reason::Timeout)));
        assert_eq!(counts(&metrics), [0, 0, 0, 0]);
        page.on_message(&offer());
        page.on_message(&offer());
        page.on_message(&state(State::Connecting, None));
        let candidate =
            Candidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: None };
        page.on_message(&Body::IceCandidate(candidate));
        assert_eq!(counts(&metrics), [1, 0, 0, 0]);
        page.on_message(&report(Report::default()));
        page.on_message(&report(Report::default()));
        assert_eq!(counts(&metrics), [1, 1, 0, 0]);
        // A restart that does not work.
        page.on_message(&state(State::Disconnected, Some(Reason::Silent)));
        page.on_message(&offer());
        page.on_message(&state(State::Failed, Some(Reason::Timeout)));
        page.on_message(&state(State::Closed, None));
        assert_eq!(counts(&metrics), [2, 1, 1, 0]);
        page.on_message(&offer());
        page.on_message(&state(State::Closed, None));
        page.failed(Reason::PageGone);
        assert_eq!(counts(&metrics), [3, 1, 1, 1]);
        assert_eq!(metrics.direct.failures.get(Reason::PageGone).value(), 0);
    }

    #[test]
    fn reports_are_counted() {
        let metrics = Arc::new(Metrics::new());
        let fallback = Fallback { cause: Reason::Silent, duration_ms: 700.0 };
        Progress::new(metrics.clone()).on_message(&report(Report {
            time_to_direct_ms: Some(250.0),
            direct_round_trip_ms: Some(1.5),
            relay_round_trip_ms: Some(30.0),
            direct_exchanges: 7,
            direct_bytes_sent: 100,
            direct_bytes_received: 2_000,
            fallbacks: vec![fallback.clone(), fallback],
            network: Some(Network {
                candidate: CandidateKind::Prflx,
                protocol: Protocol::Udp,
                family: Family::V6,
            }),
        }));
        let direct = &metrics.direct;
        assert_eq!(direct.time_to_direct.count(), 1);
        assert_eq!(direct.direct_round_trip.count(), 1);
        assert_eq!(direct.relay_round_trip.count(), 1);
        assert_eq!(direct.exchanges.value(), 7);
        assert_eq!(direct.content_bytes.get(Content::Request).value(), 100);
        assert_eq!(direct.content_bytes.get(Content::Response).value(), 2_000);
        assert_eq!(direct.fallbacks.get(Reason::Silent).value(), 2);
        assert_eq!(direct.fallback_duration.count(), 2);
        assert_eq!(direct.networks.get(CandidateKind::Prflx, Transport::UdpV6).value(), 1);
        assert_eq!(direct.networks.get(CandidateKind::Prflx, Transport::UdpV4).value(), 0);
    }

    #[test]
    fn reports_are_clamped() {
        let metrics = Arc::new(Metrics::new());
        let mut page = Progress::new(metrics.clone());
        let fallback = Fallback { cause: Reason::Ice, duration_ms: 1e308 };
        page.on_message(&report(Report {
            time_to_direct_ms: Some(-1.0),
            direct_round_trip_ms: Some(f64::NAN),
            relay_round_trip_ms: Some(1e300),
            direct_exchanges: u64::MAX,
            direct_bytes_sent: u64::MAX,
            direct_bytes_received: u64::MAX,
            fallbacks: vec![fallback; 1_000],
            network: None,
        }));
        let direct = &metrics.direct;
        assert_eq!(direct.time_to_direct.count(), 0);
        assert_eq!(direct.direct_round_trip.count(), 0);
        assert_eq!(direct.relay_round_trip.count(), 0);
        assert_eq!(direct.exchanges.value(), MAX_EXCHANGES);
        assert_eq!(direct.content_bytes.get(Content::Request).value(), MAX_BYTES);
        assert_eq!(direct.content_bytes.get(Content::Response).value(), MAX_BYTES);
        assert_eq!(direct.fallbacks.get(Reason::Ice).value(), MAX_FALLBACKS as u64);
        assert_eq!(direct.fallback_duration.count(), 0);
        // Again and again it does not overflow.
        for _ in 0..3 {
            page.on_message(&report(Report { direct_exchanges: u64::MAX, ..Report::default() }));
        }
        assert_eq!(direct.exchanges.value(), 4 * MAX_EXCHANGES);
    }
}
