//! The jar against a browser: whatever happens, a decision is what the browser would have sent.

#[path = "../../tests/exchange/browser.rs"]
mod browser;

use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;

use super::{
    evidence::{Evidence, Kind},
    jar::{Jar, Now, SETTLED, Unsure},
    path,
    set_cookie::{SetCookie, Site},
};
use browser::Browser;

const CLEAR: &str = "Clear-Site-Data";

const SITE: Site<'_> = Site { host: b"abc.wingman.dev", tls: true };

/// A browser, its jar at the host, and what is on its way between them.
struct World {
    browser: Browser,
    jar: Jar,
    start: (Instant, SystemTime),
    /// Milliseconds.
    time: u64,
    document: String,
    /// Relayed requests that have not arrived: path, cookies, when they were sent.
    requests: Vec<(String, String, u64)>,
    /// `Set-Cookie` lines on their way to the browser; [`CLEAR`] is none.
    lines: Vec<(String, String)>,
    /// In which order cookies were created, only the browser knows.
    order_is_unknown: bool,
    /// When anything changed, or was shown to the host.
    changed: u64,
    direct: usize,
    relayed: usize,
}

impl World {
    fn new() -> Self {
        Self {
            browser: Browser::default(),
            jar: Jar::default(),
            start: (Instant::now() + Duration::from_secs(1_000), SystemTime::now()),
            time: 0,
            document: "/".to_owned(),
            requests: Vec::new(),
            lines: Vec::new(),
            order_is_unknown: false,
            changed: 0,
            direct: 0,
            relayed: 0,
        }
    }

    fn now(&self) -> Now {
        let passed = Duration::from_millis(self.time);
        Now { instant: self.start.0 + passed, wall: self.start.1 + passed }
    }

    fn seconds(&self) -> u64 {
        self.time / 1_000
    }

    /// A relayed request arrives that was sent just now.
    fn relay(&mut self, path: &str) {
        let cookies = self.browser.cookie(path, self.seconds());
        self.arrive(path, &cookies, self.now().instant - SETTLED);
    }

    fn arrive(&mut self, path: &str, cookies: &str, since: Instant) {
        let (path, pairs) = (path.as_bytes(), cookies.as_bytes());
        self.jar.learn(Evidence { path, pairs, since, kind: Kind::Request }, self.now());
        self.changed = self.time;
    }

    /// The host has sent a line.
    fn send_line(&mut self, line: &str, path: &str) {
        let now = self.now();
        if let Some(cookie) = SetCookie::parse(line.as_bytes(), path.as_bytes(), SITE, now.wall) {
            self.jar.set(cookie, now);
        }
        self.lines.push((line.to_owned(), path.to_owned()));
        self.changed = self.time;
    }

    /// The host has sent a response that clears all cookies.
    fn send_clear(&mut self) {
        self.jar.clear(self.now());
        self.lines.push((CLEAR.to_owned(), String::new()));
        self.changed = self.time;
    }

    /// The browser has got all of them.
    fn deliver_lines(&mut self) {
        for (line, path) in std::mem::take(&mut self.lines) {
            match line.as_str() {
                CLEAR => self.browser.clear(),
                line => self.browser.set(line, &path, self.time / 1_000),
            }
        }
    }

    fn decide(&mut self, path: &str, safe: bool) -> Result<String, Unsure> {
        let now = self.now();
        let shown = self.browser.document(&self.document, self.seconds());
        let (document, since) = (self.document.as_bytes(), now.instant - SETTLED);
        let shown =
            Evidence { path: document, pairs: shown.as_bytes(), since, kind: Kind::Document };
        self.jar.learn(shown, now);
        let decided = self.jar.decide(path.as_bytes(), self.document.as_bytes(), safe, now)?;
        Ok(String::from_utf8(decided).expect("text"))
    }

    /// The order of different names means nothing, that of one name everything; the same pair twice is the same.
    fn same(&self, sent: &str, expected: &str) -> bool {
        let by_name = |cookies: &str| {
            let mut pairs: Vec<String> = cookies.split("; ").map(str::to_owned).collect();
            pairs.sort_by(|one, other| one.split('=').next().cmp(&other.split('=').next()));
            pairs.dedup();
            pairs
        };
        if self.order_is_unknown { by_name(sent) == by_name(expected) } else { sent == expected }
    }

    /// A direct request; by relay if the jar is not sure.
    fn fetch(&mut self, path: &str, safe: bool) -> Result<(), TestCaseError> {
        // What is under way may arrive before or after, in a browser as well.
        let racing = !self.lines.is_empty();
        match self.decide(path, safe) {
            Ok(sent) => {
                self.direct += 1;
                let expected = self.browser.cookie(path, self.seconds());
                prop_assert!(
                    racing || self.same(&sent, &expected),
                    "{path}: {sent:?} for {expected:?} {:#?}",
                    self.jar
                );
            }
            Err(unsure) => {
                self.relayed += 1;
                let cookies = self.browser.cookie(path, self.seconds());
                self.arrive(path, &cookies, self.now().instant);
                let settled = self.time > self.changed + SETTLED.as_millis() as u64;
                if settled && unsure != Unsure::Expiring {
                    // The second copy tells whether scripts see what the first one has shown.
                    let mut again = self.decide(path, safe);
                    if again.is_err() {
                        self.arrive(path, &cookies, self.now().instant);
                        again = self.decide(path, safe);
                    }
                    let learnt = matches!(&again, Ok(sent) if self.same(sent, &cookies))
                        || again == Err(Unsure::Expiring)
                        // Which is which, only a line could tell.
                        || (again.is_err() && has_twins(&cookies));
                    prop_assert!(
                        learnt,
                        "{path}: {unsure} taught nothing, {again:?} {cookies:?} {:#?}",
                        self.jar
                    );
                }
            }
        }
        Ok(())
    }
}

/// Two cookies of one name and one value are not told apart while they change; nobody could tell from requests.
fn unlike(line: &str, by: &str, at: usize) -> String {
    line.replacen('=', &format!("={by}{at}."), 1)
}

fn has_twins(cookies: &str) -> bool {
    let mut names: Vec<&str> =
        cookies.split("; ").filter_map(|pair| pair.split('=').next()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < all
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Navigate(&'static str),
    Relay(&'static str),
    /// A relayed request that arrives later.
    Send(&'static str),
    Arrive,
    Answer(String, &'static str),
    Clear,
    Deliver,
    Script(String),
    Fetch(&'static str, bool),
}

const PATHS: [&str; 8] =
    ["/", "/x", "/app/page", "/app/other", "/app/deep/er", "/api/items", "/api/v1/items", "/app"];

fn path_of_request() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&PATHS[..])
}

fn line(by_script: bool) -> impl Strategy<Value = String> {
    let name = proptest::sample::select(vec!["a", "b", "c"]);
    let attributes: Vec<&'static str> = if by_script {
        // What scripts write where their document does not see it, the page must say: see ARCHITECTURE.md.
        vec![
            "",
            "",
            "; Max-Age=0",
            "; Max-Age=3600",
            "; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "; Path=/",
            "; Path=/; Max-Age=0",
        ]
    } else {
        vec![
            "",
            "",
            "; HttpOnly",
            "; Path=/",
            "; Path=/; HttpOnly",
            "; Path=/api",
            "; Path=/app/; HttpOnly",
            "; Path=/; Max-Age=0",
            "; Max-Age=0",
            "; Path=/; Max-Age=100",
            "; HttpOnly; Max-Age=7200",
            "; Path=/api/items; HttpOnly",
            "; Secure; SameSite=None; Path=/",
            "; Domain=other.test",
            "; SameSite=Strict; Path=/app; HttpOnly",
            "; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ]
    };
    (name, 0..3_u8, proptest::sample::select(attributes))
        .prop_map(|(name, value, attributes)| format!("{name}={value}{attributes}"))
}

fn step() -> impl Strategy<Value = Step> {
    let wait = proptest::sample::select(vec![10_u64, 900, 20_000, 90_000]);
    prop_oneof![
        2 => wait.prop_map(Step::Wait),
        1 => path_of_request().prop_map(Step::Navigate),
        2 => path_of_request().prop_map(Step::Relay),
        1 => path_of_request().prop_map(Step::Send),
        1 => Just(Step::Arrive),
        3 => (line(false), path_of_request()).prop_map(|(line, path)| Step::Answer(line, path)),
        1 => Just(Step::Clear),
        3 => Just(Step::Deliver),
        2 => line(true).prop_map(Step::Script),
        6 => (path_of_request(), any::<bool>()).prop_map(|(path, safe)| Step::Fetch(path, safe && path != "/app")),
    ]
}

fn run(before: Vec<(String, &'static str)>, steps: Vec<Step>) -> Result<World, TestCaseError> {
    let mut world = World::new();
    // The browser has been here before the host was started.
    for (at, (line, path)) in before.into_iter().enumerate() {
        world.order_is_unknown = true;
        world.browser.set(&unlike(&line, "before", at), path, 0);
    }
    world.relay("/");
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Wait(time) => {
                if u128::from(time) > SETTLED.as_millis() {
                    world.deliver_lines();
                }
                world.time += time;
                // Nothing is under way for longer than that.
                let oldest = world.time.saturating_sub(SETTLED.as_millis() as u64);
                world.requests.retain(|(_, _, sent)| *sent > oldest);
                world.deliver_lines();
            }
            Step::Navigate(path) => {
                world.deliver_lines();
                world.document = path.to_owned();
                world.relay(path);
                world.jar.navigated(path.as_bytes(), world.now());
            }
            Step::Relay(path) => world.relay(path),
            Step::Send(path) => {
                let cookies = world.browser.cookie(path, world.seconds());
                world.requests.push((path.to_owned(), cookies, world.time));
            }
            Step::Arrive => {
                if let Some((path, cookies, _)) = world.requests.pop() {
                    world.arrive(&path, &cookies, world.now().instant - SETTLED);
                }
            }
            Step::Answer(line, path) => world.send_line(&unlike(&line, "line", at), path),
            Step::Clear => world.send_clear(),
            Step::Deliver => world.deliver_lines(),
            Step::Script(line) => {
                world.order_is_unknown = true;
                world.changed = world.time;
                let seconds = world.seconds();
                let line = unlike(&line, "script", at);
                world.browser.script(&line, &world.document, seconds);
            }
            Step::Fetch(path, safe) => world.fetch(path, safe)?,
        }
    }
    Ok(world)
}

/// Lines whose path a safe request finds by its directory.
fn earlier() -> impl Strategy<Value = (String, &'static str)> {
    let line =
        line(false).prop_filter("a path that is a whole file's", |line| !line.contains("items"));
    (line, path_of_request())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_decision_is_what_the_browser_sends(
        before in proptest::collection::vec(earlier(), 0..4),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        run(before, steps)?;
    }
}

/// More with `PROPTEST_CASES`; the last fault was found after 60,000.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

/// Being right by always saying "relay" is easy.
#[test]
fn most_requests_go_directly() {
    let mut world = World::new();
    world.relay("/");
    world.send_line("sid=1; Path=/; HttpOnly", "/login");
    world.deliver_lines();
    for path in ["/api/items", "/api/v1/items", "/app/page"] {
        world.relay(path);
    }
    for round in 0..50 {
        world.time += 30_000;
        if round % 10 == 0 {
            world.send_line(&format!("sid={round}; Path=/; HttpOnly; Max-Age=3600"), "/api/items");
            world.deliver_lines();
        }
        for path in ["/", "/api/items", "/api/other", "/app/x", "/api/v1/7"] {
            world.fetch(path, true).expect("as the browser");
        }
    }
    assert_eq!((world.direct, world.relayed), (250, 0));
}

#[test]
fn each_doubt_has_its_reason() {
    let mut world = World::new();
    assert_eq!(world.decide("/", true), Err(Unsure::UnknownDirectory));
    world.document = "/app/page".to_owned();
    world.relay("/app/page");
    assert_eq!(world.decide("/app/x", true).as_deref(), Ok(""));
    assert_eq!(world.decide("/app/x", false), Err(Unsure::UnknownDirectory), "not this very path");
    assert_eq!(world.decide("/app/page", false).as_deref(), Ok(""));

    // From before, with a path that only other requests will tell.
    world.relay("/api/items");
    world.browser.set("old=1; HttpOnly; Path=/app", "/", 0);
    world.relay("/app/page");
    assert_eq!(
        world.decide("/app/page", true),
        Err(Unsure::Doubt),
        "HttpOnly, or deleted just now"
    );
    world.arrive("/app/page", "old=1", world.now().instant);
    assert_eq!(world.decide("/app/page", true).as_deref(), Ok("old=1"));
    assert_eq!(world.decide("/app/x", true), Err(Unsure::UnknownPath));
    world.time += 61_000;
    assert_eq!(world.decide("/app/page", true), Err(Unsure::Stale));
    world.relay("/app/x");
    assert_eq!(world.decide("/app/x", true).as_deref(), Ok("old=1"));

    let mut world = World::new();
    world.relay("/");
    world.send_line("short=1; Path=/; Max-Age=100; HttpOnly", "/");
    world.deliver_lines();
    assert_eq!(world.decide("/", true).as_deref(), Ok("short=1"));
    world.time += 50_000;
    assert_eq!(world.decide("/", true), Err(Unsure::Expiring));
    world.time += 120_000;
    assert_eq!(world.decide("/", true).as_deref(), Ok(""));

    for number in 0..151 {
        world.send_line(&format!("n{number}=1; Path=/"), "/");
    }
    assert_eq!(world.decide("/", true), Err(Unsure::TooMany));
    world.relay("/");
    assert_eq!(world.decide("/", true), Err(Unsure::TooMany), "for good");
}

#[test]
fn what_came_late_only_casts_doubt() {
    let mut world = World::new();
    world.relay("/");
    let old = world.browser.cookie("/", 0);
    world.send_line("sid=1; Path=/; HttpOnly", "/login");
    world.deliver_lines();
    // Sent before the login, and slower.
    world.arrive("/", &old, world.now().instant - SETTLED);
    assert_eq!(world.decide("/", true), Err(Unsure::Doubt));
    let cookies = world.browser.cookie("/", 0);
    world.arrive("/", &cookies, world.now().instant);
    assert_eq!(world.decide("/", true).as_deref(), Ok("sid=1"));
    // And the same with a logout.
    world.time += 20_000;
    world.send_line("sid=; Path=/; Max-Age=0", "/logout");
    world.deliver_lines();
    world.time += 100;
    world.arrive("/", &cookies, world.now().instant - SETTLED);
    assert_eq!(world.decide("/", true), Err(Unsure::Doubt));
    world.arrive("/", "", world.now().instant);
    assert_eq!(world.decide("/", true), Err(Unsure::Doubt), "it may still be on its way");
    world.time += 10_000;
    world.arrive("/", "", world.now().instant);
    assert_eq!(world.decide("/", true).as_deref(), Ok(""));
}

#[test]
fn a_response_that_may_not_have_come_casts_doubt() {
    let mut world = World::new();
    world.relay("/");
    world.send_line("sid=1; Path=/; HttpOnly", "/login");
    let stamp = world.now().instant;
    world.lines.clear();
    world.jar.doubt(stamp);
    assert_eq!(world.decide("/", true), Err(Unsure::Doubt));
    world.arrive("/", "", world.now().instant);
    assert_eq!(world.decide("/", true), Err(Unsure::Doubt), "it may still be on its way");
    world.time += 10_000;
    world.arrive("/", "", world.now().instant);
    assert_eq!(world.decide("/", true).as_deref(), Ok(""));
}

#[test]
fn after_clearing_nothing_is_known_until_it_has_surely_happened() {
    let mut world = World::new();
    world.relay("/");
    world.send_line("sid=1; Path=/; HttpOnly", "/login");
    world.deliver_lines();
    let before = world.browser.cookie("/", 0);
    assert_eq!(world.decide("/", true).as_deref(), Ok("sid=1"));
    world.send_clear();
    assert_eq!(world.decide("/", true), Err(Unsure::UnknownDirectory));
    // A line that was sent later comes first.
    world.time += 1_000;
    world.send_line("new=1; Path=/; HttpOnly", "/");
    world.lines.reverse();
    world.deliver_lines();
    // Sent before it was cleared, and slower; or just now.
    for (cookies, since) in [(before.as_str(), SETTLED), ("", Duration::ZERO)] {
        world.time += 4_000;
        world.arrive("/", cookies, world.now().instant - since);
        assert_eq!(world.decide("/", true), Err(Unsure::UnknownDirectory));
    }
    world.time += 1_000;
    world.arrive("/", "", world.now().instant);
    assert_eq!(world.decide("/", true), Err(Unsure::Doubt), "the line may still be on its way");
    world.time += 10_000;
    world.fetch("/", true).expect("as the browser");
    world.fetch("/", true).expect("as the browser");
    assert_eq!(world.decide("/", true).as_deref(), Ok(""));
}

#[test]
fn a_line_after_clearing_is_believed_when_it_is_seen() {
    let mut world = World::new();
    world.relay("/");
    world.send_clear();
    world.send_line("new=1; Path=/app/page; HttpOnly", "/");
    world.deliver_lines();
    world.time += 10_000;
    // This does not show it.
    world.arrive("/app/other", "", world.now().instant);
    assert_eq!(world.decide("/app/page", true), Err(Unsure::Doubt));
    world.arrive("/app/page", "new=1", world.now().instant);
    assert_eq!(world.decide("/app/page", true).as_deref(), Ok("new=1"));
}

#[test]
fn responses_that_clear_cookies_are_recognised() {
    for (lines, clears) in [
        (&["\"cookies\""][..], true),
        (&["\"*\""], true),
        (&["\"cache\", \"cookies\",\"storage\""], true),
        (&["\"cache\"", " \"cookies\" "], true),
        (&["\"cache\", \"storage\""], false),
        (&["cookies"], false),
        (&["\"Cookies\""], false),
        (&["\"cookies"], false),
        (&[], false),
    ] {
        let mut fields = http::HeaderMap::new();
        for line in lines {
            fields.append("clear-site-data", line.parse().expect("a value"));
        }
        assert_eq!(super::clears_cookies(&fields), clears, "{lines:?}");
    }
}

#[test]
fn scripts_change_cookies_without_a_round_trip_at_the_root() {
    let mut world = World::new();
    world.relay("/");
    world.relay("/api/items");
    for number in 0..20 {
        world.time += 500;
        let seconds = world.seconds();
        world.browser.script(&format!("n={number}"), "/", seconds);
        world.fetch("/api/items", true).expect("as the browser");
    }
    assert_eq!(world.relayed, 0, "{:#?}", world.jar);
}

#[test]
fn two_of_a_name_keep_their_order() {
    let mut world = World::new();
    world.relay("/app/page");
    world.document = "/app/page".to_owned();
    world.send_line("a=root; Path=/", "/");
    world.send_line("a=app; Path=/app", "/");
    world.send_line("b=root; Path=/", "/");
    world.send_line("a=root2; Path=/", "/");
    world.deliver_lines();
    let sent = world.decide("/app/x", true);
    assert_eq!(sent.as_deref(), Ok("a=app; a=root2; b=root"));
    assert_eq!(sent, Ok(world.browser.cookie("/app/x", 0)));
}

#[test]
fn requests_for_odd_targets_are_not_for_the_direct_path() {
    for (target, suited) in [("/a/b", true), ("/", true), ("/a;v=1/b", false), ("*", false)] {
        assert_eq!(super::jar::is_suited(path::of_target(target.as_bytes())), suited, "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_lasts_half_a_minute() {
    let cookies = super::Cookies::default();
    let visitor = wingman_wire::id::VisitorId::from_bits(1);
    let request = super::Request { target: b"/x/y", authority: b"abc.wingman.dev", tls: true };
    for (seconds, lasts) in [(29, true), (30, false)] {
        let mut fields = http::HeaderMap::new();
        fields.insert("set-cookie", "s=1".parse().expect("a value"));
        let ticket = cookies.keep(visitor, request, &mut fields).expect("a ticket");
        assert!(fields.is_empty());
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let lines = cookies.redeem(visitor, request, ticket.to_str().expect("text"));
        let lines = lines.map(|(lines, _)| lines);
        assert_eq!(lines, lasts.then(|| vec!["s=1; Path=/x".parse().expect("a value")]));
    }
}

#[tokio::test(start_paused = true)]
async fn jars_are_few_and_end() {
    let cookies = super::Cookies::default();
    let request = super::Request { target: b"/", authority: b"abc.wingman.dev", tls: true };
    let visitor = |number| wingman_wire::id::VisitorId::from_bits(number);
    let see = |number| cookies.relayed(visitor(number), request, &http::HeaderMap::new(), None);
    let document =
        super::Document { cookie: bytes::Bytes::new(), path: bytes::Bytes::from_static(b"/") };
    let knows =
        |number| cookies.direct(visitor(number), request, true, Some(&document), None).is_ok();
    for number in 0..300 {
        see(number);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(knows(0), "used all the time");
    }
    assert_eq!(cookies.len(), 256);
    assert!(knows(299) && !knows(1), "the one that nobody used for the longest time went");
    tokio::time::advance(Duration::from_secs(12 * 3_600)).await;
    see(1_000);
    assert_eq!(cookies.len(), 1);
    assert!(!cookies.is_empty());
}
