//! The same requests to an origin alone and through a session: both ends must see the same bytes, but
//! for the differences that docs/protocol.md lists with their reasons.
//!
//! The origin keeps what it received and answers with the bytes of the case. Every case runs on
//! connections of its own; after one that keeps its connection a second request must be answered on
//! it, so that a wrong end of a message cannot hide.

#[path = "differential/case.rs"]
mod case;
#[path = "differential/compare.rs"]
mod compare;
#[path = "differential/documents.rs"]
mod documents;
#[path = "differential/message.rs"]
mod message;
#[path = "differential/origin.rs"]
mod origin;
#[path = "differential/random.rs"]
mod random;
#[path = "differential/requests.rs"]
mod requests;
#[path = "differential/responses.rs"]
mod responses;

use std::{collections::BTreeSet, fmt::Write as _, io, net::SocketAddr, sync::Arc};

use wingman_tests::{Edge, Host, HostOptions};

use case::Case;
use compare::{Allowed, Authorities, Findings, addressed, is_refused};
use message::{Request, Response};
use origin::{Origin, authority, connect};

/// Change it to look for new differences; a failure names the case, which does not depend on others.
const SEED: u64 = 2;
const RANDOM_CASES: usize = 150;

/// What both ends saw of one exchange.
struct Seen {
    requests: Vec<Request>,
    response: io::Result<Response>,
    /// The connection went on with another exchange, if it was to.
    in_step: io::Result<()>,
}

/// The two ways to the same origin.
struct Stage {
    cases: Arc<Vec<Case>>,
    origin: Origin,
    edge: Edge,
    authorities: Authorities,
    _host: Host,
}

impl Stage {
    async fn of(cases: Vec<Case>) -> Self {
        let cases = Arc::new(cases);
        let origin = Origin::start(cases.clone()).await.expect("an origin");
        let edge = Edge::start().await;
        let target = format!("http://{}", authority(origin.address));
        let host = HostOptions::default().name("differential").start(&edge, &target).await;
        let authorities =
            Authorities { origin: authority(origin.address), session: host.authority().to_owned() };
        Self { cases, origin, edge, authorities, _host: host }
    }

    async fn compare(&self, number: usize) -> Findings {
        let Self { cases, origin, edge, authorities, .. } = self;
        let (case, front) = (&cases[number], SocketAddr::from(([127, 0, 0, 1], edge.port())));
        let alone = exchange(origin, origin.address, &authorities.origin, number, case).await;
        let mut shared = exchange(origin, front, &authorities.session, number, case).await;
        let allowed = documents::undo(&alone, &mut shared);
        let mut findings = compare(case, &alone, &shared, authorities);
        findings.allowed.extend(allowed);
        findings
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_adds_nothing_and_loses_nothing() {
    let mut cases = requests::all();
    cases.extend(responses::all());
    cases.extend(documents::all());
    cases.extend(random::all(SEED, RANDOM_CASES));
    assert!(cases.len() >= 250, "{} cases", cases.len());
    let mut stage = Stage::of(cases).await;
    let cases = stage.cases.clone();

    let mut report = String::new();
    let mut seen_differences = BTreeSet::new();
    let mut defective = 0;
    for (number, case) in cases.iter().enumerate() {
        let findings = stage.compare(number).await;
        seen_differences.extend(findings.allowed);
        if !findings.defects.is_empty() {
            defective += 1;
            let _ = writeln!(report, "case {number}, {}:", case.label);
            for defect in findings.defects {
                let _ = writeln!(report, "    {defect}");
            }
        }
    }
    assert!(stage.edge.program().is_running(), "the edge has survived");
    let stale: Vec<_> =
        Allowed::ALL.into_iter().filter(|allowed| !seen_differences.contains(allowed)).collect();
    if !stale.is_empty() {
        let _ = writeln!(report, "allowed, but there is no such difference (any more): {stale:?}");
    }
    assert!(report.is_empty(), "{defective} of {} cases differ:\n{report}", cases.len());
}

/// What the origin had sent before it died is the visitor's: the last event of a stream, say. Whether it
/// arrives must not be a matter of luck, so each case runs many times.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_an_origin_arrive() {
    let stage = Stage::of(responses::cut()).await;
    let mut report = String::new();
    for (number, case) in stage.cases.iter().enumerate() {
        for round in 0..30 {
            let findings = stage.compare(number).await;
            if let Some(defect) = findings.defects.first() {
                let _ = writeln!(report, "{}, round {round}: {defect}", case.label);
            }
        }
    }
    assert!(report.is_empty(), "{report}");
}

async fn exchange(
    origin: &Origin,
    address: SocketAddr,
    authority: &str,
    number: usize,
    case: &Case,
) -> Seen {
    origin.take(number);
    let request = addressed(&case.ask.encode(number), authority);
    let mut in_step = Ok(());
    let response = async {
        let mut connection = connect(address).await?;
        connection.write(&request).await?;
        let response = connection.response(&case.ask.method).await?;
        let old = case.ask.version != "HTTP/1.1";
        if response.keeps_alive() && !old && !case.answer.close {
            in_step = again(&mut connection, authority).await;
        }
        Ok(response)
    }
    .await;
    Seen { requests: origin.take(number), response, in_step }
}

/// Another exchange on the same connection.
async fn again(connection: &mut message::Connection, authority: &str) -> io::Result<()> {
    let request = format!("GET /again HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    connection.write(request.as_bytes()).await?;
    let response = connection.response(b"GET").await?;
    if response.status == 200 && response.content.bytes == b"plain" {
        Ok(())
    } else {
        Err(io::Error::other(format!("the next response is {} instead", response.status)))
    }
}

fn compare(case: &Case, alone: &Seen, shared: &Seen, authorities: &Authorities) -> Findings {
    let mut findings = Findings::default();
    if is_refused(&case.ask.target) {
        findings.allowed.insert(Allowed::TargetBytes);
        let status = shared.response.as_ref().map_or(0, |response| response.status);
        if status != 400 || !shared.requests.is_empty() {
            findings
                .defects
                .push(format!("status {status} and not 400 for a target to be refused"));
        }
        return findings;
    }
    match (&alone.requests[..], &shared.requests[..]) {
        ([alone], [shared]) => findings.requests(alone, shared),
        (alone, shared) => findings.defects.push(format!(
            "the origin got {} requests alone and {} shared",
            alone.len(),
            shared.len()
        )),
    }
    match (&alone.response, &shared.response) {
        (Ok(alone), Ok(shared)) => findings.responses(alone, shared, authorities),
        (Err(_), Err(_)) => {}
        (alone, shared) => {
            let brief = |response: &io::Result<Response>| match response {
                Ok(response) => format!("status {}", response.status),
                Err(error) => error.to_string(),
            };
            let (alone, shared) = (brief(alone), brief(shared));
            findings.defects.push(format!("response alone: {alone}, shared: {shared}"));
        }
    }
    if let (Ok(()), Err(error)) = (&alone.in_step, &shared.in_step) {
        findings.defects.push(format!("the connection is out of step: {error}"));
    }
    findings
}

#[test]
fn every_allowed_difference_is_documented_with_a_reason() {
    let document = include_str!("../../docs/protocol.md");
    let section = document
        .split_once("\n## Differences\n")
        .map(|(_, rest)| rest.split("\n## ").next().unwrap_or_default())
        .expect("docs/protocol.md has a section Differences");
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let named: BTreeSet<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let allowed: BTreeSet<&str> = Allowed::ALL.into_iter().map(Allowed::as_str).collect();
    assert_eq!(named, allowed, "docs/protocol.md and the test name the same differences");
    for row in rows {
        assert!(row.len() == 3 && row[2].len() > 20, "a reason is missing: {row:?}");
    }
}
