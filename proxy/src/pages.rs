//! What the edge answers itself: error pages by blame, and the landing page.
//!
//! All of it is rendered once at start-up; an answer is a look-up and a reference count. No byte a
//! visitor sent is in any page, so nothing needs escaping later, and nothing of the inside is shown
//! beyond the problem's code.

mod accept;
mod problem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

pub use accept::Format;
pub use problem::Problem;
pub use wingman_wire::code::Blame;

/// Names the problem in a response of the edge; scripts and our own host tell by it that the answer
/// is not the origin's.
pub const ERROR_FIELD: &str = "wingman-error";

/// A whole response, ready to be written.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Its field lines, with `Content-Type` and `Content-Length`. Not `Date` or `Connection`.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// Its content; not to be sent in answer to `HEAD`.
    pub content: Bytes,
}

/// All pages of an edge.
#[derive(Debug)]
pub struct Pages {
    problems: Vec<[Page; Format::ALL.len()]>,
    landing: [Page; 2],
}

impl Pages {
    /// Renders them. `edge_url` is what hosts give to `--edge`, such as `https://share.example`;
    /// `token_needed` tells the landing page what else it takes.
    pub fn new(edge_url: &str, token_needed: bool) -> Self {
        let problems = Problem::ALL.iter().map(|problem| Format::ALL.map(|f| render(*problem, f)));
        Self { problems: problems.collect(), landing: landing(edge_url, token_needed) }
    }

    /// The answer to a request that met a problem, in the form its `Accept` prefers.
    pub fn problem(&self, problem: Problem, accept: Option<&[u8]>) -> &Page {
        &self.problems[problem.index()][Format::of(accept) as usize]
    }

    /// The page of the bare base domain.
    pub fn landing(&self, accept: Option<&[u8]>) -> &Page {
        &self.landing[usize::from(Format::of(accept) != Format::Html)]
    }
}

fn render(problem: Problem, format: Format) -> Page {
    let status = problem.status();
    let text = problem.text();
    let code = problem.as_str();
    let (content, script) = match format {
        Format::Html => {
            let script = if problem.reloads() { RELOAD } else { "" };
            (problem_html(problem, script), script)
        }
        Format::Json => {
            let error = serde_json::json!({
                "code": code,
                "blame": problem.blame().as_str(),
                "status": status.as_u16(),
                "message": format!("{}: {}", text.title, text.explanation),
                "hint": text.way_out,
            });
            (format!("{}\n", serde_json::json!({ "error": error })), "")
        }
        Format::Text => (format!("{}\n{}\n{}\n", text.title, text.explanation, text.way_out), ""),
    };
    let mut page = page(status, format, content, script);
    page.fields.push((HeaderName::from_static(ERROR_FIELD), HeaderValue::from_static(code)));
    if let Some(seconds) = problem.retry_after() {
        page.fields.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    page
}

fn problem_html(problem: Problem, script: &str) -> String {
    let text = problem.text();
    let mut way = String::new();
    for (who, name) in WAY {
        let state = if who == problem.blame() { " class=\"here\"" } else { "" };
        way.push_str(&format!("<li{state}>{name}</li>"));
    }
    let reload = if script.is_empty() {
        String::new()
    } else {
        format!("<noscript><meta http-equiv=\"refresh\" content=\"{RELOAD_SECONDS}\"></noscript>")
    };
    let script =
        if script.is_empty() { String::new() } else { format!("<script>{script}</script>") };
    fill(
        PROBLEM,
        &[
            ("style", STYLE),
            ("reload", &reload),
            ("status", problem.status().as_str()),
            ("title", &escape(text.title)),
            ("explanation", &escape(text.explanation)),
            ("way_out", &escape(text.way_out)),
            ("way", &way),
            ("code", problem.as_str()),
            ("blame", problem.blame().as_str()),
            ("script", &script),
        ],
    )
}

fn landing(edge_url: &str, token_needed: bool) -> [Page; 2] {
    let command = format!("wingman 3000 --edge {edge_url}");
    let token = if token_needed {
        "You need a token of this edge: ask whoever runs it, then pass --token-file FILE."
    } else {
        "This edge runs in development mode: no token is needed."
    };
    let html = fill(
        LANDING,
        &[("style", STYLE), ("command", &escape(&command)), ("token", &escape(token))],
    );
    let text = format!(
        "This is a Wingman edge. It gives a local web server a URL of its own.\n\n    \
         {command}\n\n{token}\n"
    );
    [page(StatusCode::OK, Format::Html, html, ""), page(StatusCode::OK, Format::Text, text, "")]
}

fn page(status: StatusCode, format: Format, content: String, script: &str) -> Page {
    let mut fields = vec![
        (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (header::CONTENT_LENGTH, HeaderValue::from(content.len())),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("accept")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    if format == Format::Html {
        // By hash: the page may be shown on any session, whose app must gain nothing from it.
        let mut policy = format!("default-src 'none'; base-uri 'none'; style-src {}", hash(STYLE));
        if !script.is_empty() {
            policy.push_str(&format!("; script-src {}; connect-src 'self'", hash(script)));
        }
        let policy = HeaderValue::try_from(policy).expect("base64 and ASCII words");
        fields.push((header::CONTENT_SECURITY_POLICY, policy));
    }
    Page { status, fields, content: content.into() }
}

/// A CSP source that allows exactly this inline text.
fn hash(inline: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(inline.as_bytes())))
}

/// Puts values into `{{name}}` places. Values are not looked through again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() * 3);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("our templates close their places");
        let value = values.iter().find(|(known, _)| *known == name);
        filled.push_str(before);
        filled.push_str(value.expect("our templates name only values we have").1);
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}

const PROBLEM: &str = include_str!("pages/problem.html");
const LANDING: &str = include_str!("pages/landing.html");
const STYLE: &str = include_str!("pages/style.css");
const RELOAD: &str = include_str!("pages/reload.js");
const RELOAD_SECONDS: u32 = 3;
/// The way of a request, as the pages draw it.
const WAY: [(Blame, &str); 4] = [
    (Blame::Visitor, "You"),
    (Blame::Edge, "Edge"),
    (Blame::Host, "Developer\u{2019}s computer"),
    (Blame::Origin, "App"),
];

#[cfg(test)]
mod tests;
