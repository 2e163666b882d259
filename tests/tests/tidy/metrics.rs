//! What edge and host tell Prometheus, and what conf/ makes of it: README, dashboard and rules name the metrics and
//! label values that the running programs expose, and Prometheus's own tool finds nothing wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use wingman_tests::{EdgeOptions, HostOptions, Origin, Share, exposition, free_port};

use crate::{
    lexer::is_word,
    none,
    reference::{differences, quoted, rows, section},
    source::{read, root},
};

const DASHBOARD: &str = "conf/grafana/wingman.json";
const RULES: &str = "conf/prometheus/rules.yml";

#[tokio::test]
async fn every_metric_is_in_the_readme() {
    let readme = read("README.md");
    let mut wrong = Vec::new();
    for (prefix, text) in scrapes().await {
        let said: BTreeSet<String> = Exposed::new([&*text]).families;
        let rows = rows(section(&readme, &format!("#### `{prefix}`")));
        let names = rows.iter().flat_map(|row| quoted(&row[0]));
        let told = names.map(|name| format!("{prefix}{name}")).collect();
        wrong.extend(differences(prefix, &said, &told));
    }
    none("README's metrics are those of edge and host", wrong);
}

#[tokio::test]
async fn the_dashboard_shows_every_metric_and_no_other() {
    let scrapes = scrapes().await;
    let exposed = Exposed::new(scrapes.iter().map(|(_, text)| &**text));
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    none("panels ask for what is exposed, and show all of it", wrong_panels(&exposed, &dashboard));
}

/// Also by the tool's own parser, as if each expression were a rule.
#[test]
fn the_dashboard_speaks_promql() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 50, "the dashboard is not what it was: {expressions:?}");
    let rules: Vec<Value> = expressions
        .iter()
        .enumerate()
        .map(|(index, (_, expression))| {
            let set =
                [("$__rate_interval", "1m"), ("$__range", "1h"), ("$edge", ".*"), ("$host", ".*")];
            let text = set
                .iter()
                .fold(expression.clone(), |text, (name, value)| text.replace(name, value));
            assert!(!text.contains('$'), "no such variable: {text}");
            json!({ "record": format!("panel:{index}"), "expr": text })
        })
        .collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("panels.yml");
    // JSON is YAML.
    let text = json!({ "groups": [{ "name": "panels", "rules": rules }] }).to_string();
    std::fs::write(&path, text).expect("is writable");
    promtool(&["check", "rules", &path.to_string_lossy()], "");
}

#[test]
fn the_dashboard_begins_with_what_is_saved_and_gained() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let is_row = |panel: &&Value| panel["type"] == "row";
    assert!(is_row(&&panels[0]), "{}", panels[0]);
    let first: Vec<&str> =
        panels.iter().skip(1).take_while(|panel| !is_row(panel)).map(title).collect();
    assert!(
        first.contains(&"Edge bandwidth saved") && first.contains(&"Latency gained"),
        "{first:?}"
    );
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    let mut wrong = Vec::new();
    for panel in panels.iter().filter(|panel| !is_row(panel)) {
        if panel["datasource"]["uid"] != "${datasource}" {
            wrong.push(format!("{}: not of the datasource that was chosen", title(panel)));
        }
        for target in panel["targets"].as_array().expect("targets") {
            if target["datasource"] != panel["datasource"] {
                wrong.push(format!("{}: a target of another datasource", title(panel)));
            }
        }
    }
    none("panels ask the chosen Prometheus", wrong);
}

#[tokio::test]
async fn rules_ask_for_what_is_exposed_and_say_what_to_do() {
    let scrapes = scrapes().await;
    let exposed = Exposed::new(scrapes.iter().map(|(_, text)| &**text));
    let mut wrong = Vec::new();
    for path in [RULES, "conf/prometheus/rules.test.yml", "conf/prometheus/prometheus.yml"] {
        for selector in selectors(&read(path)) {
            // In words a histogram goes by its own name.
            if selector.matchers.is_empty() && exposed.families.contains(&selector.name) {
                continue;
            }
            wrong.extend(exposed.refusal(&selector).map(|why| format!("{path}: {why}")));
        }
    }
    let (rules, tests) = (read(RULES), read("conf/prometheus/rules.test.yml"));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 5, "{RULES} is not what it was");
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        for key in ["severity: ", "summary: ", "runbook: "] {
            if !alert.contains(key) {
                wrong.push(format!("{RULES}: {name} has no {key}"));
            }
        }
        // One that fires in a test names its labels.
        let fires = format!("alertname: {name}\n        exp_alerts:\n          - exp_labels:");
        if !tests.contains(&fires) {
            wrong.push(format!("rules.test.yml: {name} never fires"));
        }
    }
    none("rules are whole, and tested", wrong);
}

#[test]
fn prometheus_takes_the_configuration() {
    promtool(&["check", "config", "conf/prometheus/prometheus.yml"], "");
    promtool(&["check", "rules", RULES], "");
    promtool(&["test", "rules", "conf/prometheus/rules.test.yml"], "");
}

#[tokio::test]
async fn prometheus_finds_nothing_wrong_with_the_metrics() {
    for (_, text) in scrapes().await {
        promtool(&["check", "metrics"], &text);
    }
}

/// What an edge and a host tell, after an exchange, with their prefixes.
async fn scrapes() -> [(&'static str, String); 2] {
    let port = free_port();
    let host = HostOptions::default().argument("--metrics").argument(&format!("127.0.0.1:{port}"));
    let origin = Origin::saying("hello").await;
    let share = Share::around(EdgeOptions::default(), host, origin).await;
    assert_eq!(share.get("/").await.status(), 200);
    let edge = exposition(share.edge.metrics_port()).await.expect("the edge tells its metrics");
    let host = exposition(port).await.expect("the host tells its metrics");
    [("wingman_edge_", edge), ("wingman_host_", host)]
}

/// Runs Prometheus's tool; panics when it finds something.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (scripts/install-test-deps.sh)");
    let mut stdin = child.stdin.take().expect("is piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "promtool {arguments:?}: {}\n{said}", output.status);
}

/// What programs expose.
#[derive(Debug, Default)]
struct Exposed {
    families: BTreeSet<String>,
    /// Label values by label, of each name that can be asked for: a histogram has three.
    series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Exposed {
    fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut exposed = Self::default();
        for line in texts.into_iter().flat_map(str::lines) {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                exposed.families.extend(family.split(' ').next().map(str::to_owned));
            } else if !line.starts_with('#') {
                let Some(selector) = selectors(line).pop() else { continue };
                let labels = exposed.series.entry(selector.name).or_default();
                for (label, value) in selector.matchers {
                    labels.entry(label).or_default().insert(value);
                }
            }
        }
        exposed
    }

    /// Why nothing would ever answer to it.
    fn refusal(&self, selector: &Selector) -> Option<String> {
        let Selector { name, matchers } = selector;
        let Some(labels) = self.series.get(name) else {
            return Some(format!("there is no {name}"));
        };
        for (label, value) in matchers {
            // Prometheus adds these.
            if ["instance", "job"].contains(&&**label) {
                continue;
            }
            let Some(known) = labels.get(label) else {
                return Some(format!("{name} has no label {label}"));
            };
            if let Some(unknown) = value.split('|').find(|value| !known.contains(*value)) {
                return Some(format!("{name} has no {label}={unknown:?}"));
            }
        }
        None
    }

    /// Whose metric a name is.
    fn family<'a>(&self, name: &'a str) -> &'a str {
        let parts = ["_bucket", "_sum", "_count"];
        let base = parts.iter().find_map(|part| name.strip_suffix(part));
        base.filter(|base| self.families.contains(*base)).unwrap_or(name)
    }
}

/// A metric that is asked for, with what its labels are compared with.
#[derive(Debug, PartialEq, Eq)]
struct Selector {
    name: String,
    matchers: Vec<(String, String)>,
}

/// Metrics of ours in an expression, or in any text.
fn selectors(text: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("wingman_") {
        if text[..at].bytes().next_back().is_some_and(is_word) {
            continue;
        }
        let rest = &text[at..];
        let end = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let parts = braces.into_iter().flat_map(|(inside, _)| inside.split(','));
        let matchers = parts.map(|part| {
            let (label, value) = part.split_at(part.find(['!', '=']).unwrap_or(part.len()));
            let value = value.trim_start_matches(['!', '=', '~']).trim().trim_matches('"');
            (label.trim().to_owned(), value.to_owned())
        });
        found.push(Selector { name: name.to_owned(), matchers: matchers.collect() });
    }
    found
}

/// Every expression of a dashboard, with its panel's title.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of_panel = |panel: &Value| {
        let expressions = list(&panel["targets"]).into_iter().map(|target| {
            target["expr"].as_str().map(str::to_owned).expect("a target has an expression")
        });
        expressions.map(|expression| (title(panel).to_owned(), expression)).collect::<Vec<_>>()
    };
    list(&dashboard["panels"]).iter().flat_map(of_panel).collect()
}

fn title(panel: &Value) -> &str {
    panel["title"].as_str().expect("a panel has a title")
}

fn wrong_panels(exposed: &Exposed, dashboard: &Value) -> Vec<String> {
    let (mut wrong, mut shown) = (Vec::new(), BTreeSet::new());
    for (panel, expression) in expressions(dashboard) {
        let selectors = selectors(&expression);
        if selectors.is_empty() {
            wrong.push(format!("{panel}: nothing of ours in {expression}"));
        }
        for selector in selectors {
            shown.insert(exposed.family(&selector.name).to_owned());
            wrong.extend(exposed.refusal(&selector).map(|why| format!("{panel}: {why}")));
        }
    }
    let hidden = exposed.families.difference(&shown);
    wrong.extend(hidden.map(|family| format!("no panel shows {family}")));
    wrong
}

#[test]
fn boards_and_rules_are_read_as_they_are_meant() {
    let exposed = Exposed::new([
        "# TYPE wingman_edge_a_total counter\nwingman_edge_a_total{why=\"x\"} 1\nwingman_edge_a_total{why=\"y\"} 0\n\
         # TYPE wingman_edge_b_seconds histogram\nwingman_edge_b_seconds_bucket{le=\"+Inf\"} 0\n\
         wingman_edge_b_seconds_sum 0\nwingman_edge_b_seconds_count 0\n",
    ]);
    assert_eq!(exposed.families.len(), 2);
    let board = |expressions: &[&str]| {
        let targets: Vec<Value> = expressions.iter().map(|text| json!({ "expr": text })).collect();
        json!({ "panels": [{ "title": "row" }, { "title": "P", "targets": targets }] })
    };
    let wrong = |expressions: &[&str]| wrong_panels(&exposed, &board(expressions));
    let a = "sum by (why) (rate(wingman_edge_a_total{instance=~\"$e\",why=~\"x|y\"}[1m]))";
    let b = "histogram_quantile(0.5, wingman_edge_b_seconds_bucket)";
    assert_eq!(wrong(&[a, b]), Vec::<String>::new());
    assert_eq!(wrong(&[a]), ["no panel shows wingman_edge_b_seconds"]);
    for (expression, why) in [
        ("wingman_edge_c_total", "P: there is no wingman_edge_c_total"),
        ("wingman_edge_b_seconds", "P: there is no wingman_edge_b_seconds"),
        ("wingman_edge_a_total{why=\"z\"}", "P: wingman_edge_a_total has no why=\"z\""),
        ("wingman_edge_a_total{why!~\"x|z\"}", "P: wingman_edge_a_total has no why=\"z\""),
        ("wingman_edge_a_total{who=\"x\"}", "P: wingman_edge_a_total has no label who"),
        ("up", "P: nothing of ours in up"),
    ] {
        assert_eq!(wrong(&[a, b, expression]), [why]);
    }
}
