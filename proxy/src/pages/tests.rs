use super::*;

const HTML: Option<&[u8]> = Some(b"text/html");
const JSON: Option<&[u8]> = Some(b"application/json");

fn pages() -> Pages {
    Pages::new("https://share.example", true)
}

fn content(page: &Page) -> &str {
    std::str::from_utf8(&page.content).unwrap()
}

fn field<'a>(page: &'a Page, name: &str) -> Option<&'a str> {
    let found: Vec<_> = page.fields.iter().filter(|(known, _)| known == name).collect();
    assert!(found.len() <= 1, "{name} twice");
    found.first().map(|(_, value)| value.to_str().unwrap())
}

#[test]
fn statuses_of_the_design() {
    for (problem, status, blame) in [
        (Problem::UnknownSession, 404, Blame::Visitor),
        (Problem::OriginRefused, 502, Blame::Origin),
        (Problem::HostAway, 503, Blame::Host),
        (Problem::OriginTimeout, 504, Blame::Origin),
        (Problem::ContentTooLarge, 413, Blame::Visitor),
        (Problem::HeadTooLarge, 431, Blame::Visitor),
        (Problem::TooManyRequests, 429, Blame::Visitor),
        (Problem::LinkLost, 502, Blame::Host),
    ] {
        assert_eq!((problem.status().as_u16(), problem.blame()), (status, blame), "{problem:?}");
    }
}

#[test]
fn every_problem_in_every_form() {
    let pages = pages();
    for problem in Problem::ALL.iter().copied() {
        for (accept, content_type) in [
            (HTML, "text/html; charset=utf-8"),
            (JSON, "application/json"),
            (None, "text/plain; charset=utf-8"),
        ] {
            let page = pages.problem(problem, accept);
            assert_eq!(page.status, problem.status());
            assert_eq!(field(page, "content-type"), Some(content_type));
            assert_eq!(field(page, "content-length").unwrap(), page.content.len().to_string());
            assert_eq!(field(page, "cache-control"), Some("no-store"));
            assert_eq!(field(page, "wingman-error"), Some(problem.as_str()));
            assert_eq!(field(page, "vary"), Some("accept"));
            assert!(page.content.len() < 8 * 1024, "{problem:?}: {}", page.content.len());
            assert!(!content(page).contains("{{"), "{problem:?}");
        }
        let json: serde_json::Value =
            serde_json::from_slice(&pages.problem(problem, JSON).content).unwrap();
        assert_eq!(json["error"]["code"], problem.as_str());
        assert_eq!(json["error"]["blame"], problem.blame().as_str());
        assert_eq!(json["error"]["status"], problem.status().as_u16());
        assert!(json["error"]["message"].as_str().unwrap().len() > 20);
        let html = content(pages.problem(problem, HTML));
        assert!(html.contains(&escape(problem.text().title)), "{problem:?}");
        assert_eq!(html.matches("class=\"here\"").count(), 1, "{problem:?}");
    }
}

#[test]
fn codes_are_kebab_case_and_differ() {
    let mut codes: Vec<_> = Problem::ALL.iter().map(|problem| problem.as_str()).collect();
    assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Problem::ALL.len());
}

#[test]
fn only_short_absences_reload() {
    let pages = pages();
    for problem in Problem::ALL.iter().copied() {
        let page = pages.problem(problem, HTML);
        let reloads = matches!(problem, Problem::HostAway | Problem::EdgeShutdown);
        assert_eq!(content(page).contains("<script>"), reloads, "{problem:?}");
        assert_eq!(content(page).contains("http-equiv=\"refresh\""), reloads, "{problem:?}");
    }
    let away = pages.problem(Problem::HostAway, HTML);
    assert_eq!(field(away, "retry-after"), Some("2"));
    // The script looks for exactly what the edge sends.
    assert!(RELOAD.contains(&format!("\"{ERROR_FIELD}\"")));
    for problem in Problem::ALL.iter().filter(|problem| problem.reloads()) {
        assert!(RELOAD.contains(&format!("\"{}\"", problem.as_str())));
    }
}

#[test]
fn pages_need_nothing_from_outside() {
    let pages = pages();
    let all = Problem::ALL.iter().map(|problem| pages.problem(*problem, HTML));
    for page in all.chain([pages.landing(HTML)]) {
        let html = content(page);
        for outside in ["src=", "href=", "url(", "@import", "onclick", "style=\""] {
            assert!(!html.contains(outside), "{outside} in {html}");
        }
        // The policy allows what is inline: its hashes are of what is between the tags.
        let policy = field(page, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"));
        for tag in ["style", "script"] {
            if let Some((_, inside)) = html.split_once(&format!("<{tag}>")) {
                let (inside, _) = inside.split_once(&format!("</{tag}>")).unwrap();
                assert!(policy.contains(&format!("{tag}-src {}", hash(inside))), "{policy}");
            }
        }
    }
}

#[test]
fn landing_page_says_how() {
    let pages = pages();
    let html = pages.landing(HTML);
    assert_eq!(html.status, 200);
    assert!(content(html).contains("wingman 3000 --edge https://share.example<"));
    assert!(content(html).contains("--token-file"));
    let text = pages.landing(Some(b"*/*"));
    assert_eq!(field(text, "content-type"), Some("text/plain; charset=utf-8"));
    assert!(content(text).contains("    wingman 3000 --edge https://share.example\n"));
    let open = Pages::new("http://localhost:8080", false);
    assert!(!content(open.landing(HTML)).contains("--token-file"));
}

#[test]
fn configured_text_is_escaped() {
    let pages = Pages::new("https://<script>&\"'", true);
    let html = content(pages.landing(HTML));
    assert!(html.contains("https://&lt;script&gt;&amp;&quot;&#39;"), "{html}");
    assert!(!html.contains("<script>"));
}
