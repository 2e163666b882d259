//! Cookies on the direct path: what the origin gets is what it would have got by relay.
//!
//! Each row is a story: what is in the browser before, what happens, and which way the last request goes. After every
//! request `World::fetch` compares what the origin got with what the browser would have sent.

use Step::*;

use crate::world::*;

enum Step {
    /// A document is opened.
    Go(&'static str),
    /// A relayed request, whose response sets cookies.
    Relay(&'static str, &'static [&'static str]),
    /// A request that goes directly if it can, whose response sets cookies.
    Fetch(&'static str, &'static [&'static str]),
    /// The same, not safe.
    Post(&'static str, &'static [&'static str]),
    /// The document's script writes `document.cookie`.
    Script(&'static str),
}

use Went::{Direct as D, Relay as R};

/// A name, what is in the browser (line and path), what happens, and the ways of the requests that could go directly.
type Row =
    (&'static str, &'static [(&'static str, &'static str)], &'static [Step], &'static [Went]);

const ROWS: &[Row] = &[
    // Set by relay, read directly.
    ("no cookies", &[], &[Go("/"), Fetch("/api", &[])], &[D]),
    (
        "session",
        &[],
        &[Go("/"), Relay("/login", &["s=1; Path=/; HttpOnly"]), Fetch("/api", &[])],
        &[D],
    ),
    (
        "default path, below it",
        &[],
        &[Go("/"), Relay("/app/login", &["s=1; HttpOnly"]), Fetch("/app/x", &[])],
        &[D],
    ),
    (
        "default path, beside it",
        &[],
        &[Go("/"), Relay("/app/login", &["s=1; HttpOnly"]), Fetch("/other", &[])],
        &[D],
    ),
    (
        "path, below",
        &[],
        &[Go("/"), Relay("/a/b", &["s=1; Path=/a; HttpOnly"]), Fetch("/a/c", &[])],
        &[D],
    ),
    (
        "path, its namesake",
        &[],
        &[Go("/"), Relay("/ab", &["s=1; Path=/a; HttpOnly"]), Fetch("/ab", &[])],
        &[D],
    ),
    (
        "path with a slash",
        &[],
        &[Go("/"), Relay("/a/b", &["s=1; Path=/a/; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "path of one request",
        &[],
        &[Go("/"), Relay("/t", &["s=1; Path=/renew; HttpOnly"]), Fetch("/renew", &[])],
        &[D],
    ),
    (
        "two of a name",
        &[],
        &[Go("/"), Relay("/a/b", &["s=1; Path=/", "s=2; Path=/a"]), Fetch("/a/c", &[])],
        &[D],
    ),
    (
        "replaced",
        &[],
        &[Go("/"), Relay("/x", &["s=1; Path=/", "s=2; Path=/"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "deleted by age",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/; HttpOnly"]),
            Relay("/y", &["s=; Path=/; Max-Age=0"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "deleted by date",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/; HttpOnly"]),
            Relay("/y", &["s=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "deletion of another path",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/; HttpOnly"]),
            Relay("/y", &["s=; Path=/y; Max-Age=0"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "long-lived",
        &[],
        &[Go("/"), Relay("/x", &["s=1; Path=/; Max-Age=3600; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "by a far date",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/; HttpOnly; Expires=Wed, 01 Jan 2099 00:00:00 GMT"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "about to end",
        &[],
        &[Go("/"), Relay("/x", &["s=1; Path=/; Max-Age=30; HttpOnly"]), Fetch("/a", &[])],
        &[R],
    ),
    (
        "about to end elsewhere",
        &[],
        &[Go("/"), Relay("/b/x", &["s=1; Max-Age=30; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "strict",
        &[],
        &[Go("/"), Relay("/x", &["s=1; Path=/; SameSite=Strict; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "none, secure",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/; SameSite=None; Secure; HttpOnly"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "domain of the session",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/; Domain=abc.wingman.dev; HttpOnly"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "with and without domain",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/", "s=2; Path=/; Domain=abc.wingman.dev"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "domain of another",
        &[],
        &[Go("/"), Relay("/x", &["s=1; Path=/; Domain=other.test"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "domain of the origin",
        &[],
        &[Go("/"), Relay("/x", &["s=1; Path=/; Domain=localhost; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "host prefix",
        &[],
        &[Go("/"), Relay("/x", &["__Host-s=1; Path=/; Secure; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "host prefix, broken",
        &[],
        &[Go("/"), Relay("/x", &["__Host-s=1; Path=/x; Secure"]), Fetch("/x/a", &[])],
        &[R],
    ),
    (
        "value with equals signs",
        &[],
        &[Go("/"), Relay("/x", &["s=a=b==; Path=/; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "quoted value",
        &[],
        &[Go("/"), Relay("/x", &["s=\"a b\"; Path=/; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    (
        "empty value",
        &[],
        &[Go("/"), Relay("/x", &["s=; Path=/; HttpOnly"]), Fetch("/a", &[])],
        &[D],
    ),
    ("nameless", &[], &[Go("/"), Relay("/x", &["=v; Path=/; HttpOnly"]), Fetch("/a", &[])], &[R]),
    ("not HttpOnly", &[], &[Go("/"), Relay("/x", &["s=1; Path=/"]), Fetch("/a", &[])], &[D]),
    (
        "many",
        &[],
        &[
            Go("/"),
            Relay("/x", &["a=1; Path=/", "b=2; Path=/", "c=3", "d=4; Path=/x"]),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    // Set directly.
    (
        "set and read directly",
        &[],
        &[Go("/"), Fetch("/x", &["s=1; Path=/; HttpOnly"]), Fetch("/a", &[])],
        &[D, D],
    ),
    (
        "set directly without a path",
        &[],
        &[
            Go("/"),
            Relay("/a/b/", &[]),
            Fetch("/a/b/c", &["s=1; HttpOnly"]),
            Fetch("/a/b/d", &[]),
            Fetch("/a/x", &[]),
        ],
        &[D, D, D],
    ),
    (
        "sliding session",
        &[],
        &[
            Go("/"),
            Fetch("/x", &["s=1; Path=/; HttpOnly"]),
            Fetch("/x", &["s=2; Path=/; HttpOnly"]),
            Fetch("/x", &["s=3; Path=/; HttpOnly"]),
            Fetch("/a", &[]),
        ],
        &[D, D, D, D],
    ),
    (
        "login and logout",
        &[],
        &[
            Go("/"),
            Relay("/login", &[]),
            Relay("/logout", &[]),
            Post("/login", &["s=1; Path=/; HttpOnly"]),
            Fetch("/me", &[]),
            Post("/logout", &["s=; Path=/; Max-Age=0"]),
            Fetch("/me", &[]),
        ],
        &[D, D, D, D],
    ),
    (
        "deleted directly, set by relay",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/"]),
            Fetch("/y", &["s=; Path=/; Max-Age=0"]),
            Fetch("/a", &[]),
        ],
        &[D, D],
    ),
    (
        "several directly",
        &[],
        &[
            Go("/"),
            Fetch("/x", &["a=1; Path=/", "b=2; Path=/; HttpOnly", "c=3; Path=/c"]),
            Fetch("/a", &[]),
            Relay("/c/d", &[]),
            Fetch("/c/e", &[]),
        ],
        &[D, D, D],
    ),
    (
        "set directly, read by relay",
        &[],
        &[Go("/"), Fetch("/x", &["s=1; Path=/; HttpOnly"]), Relay("/a", &[]), Fetch("/a", &[])],
        &[D, D],
    ),
    // Set by scripts.
    ("script at the root", &[], &[Go("/"), Script("j=1"), Fetch("/a", &[])], &[D]),
    (
        "script changes",
        &[],
        &[Go("/"), Script("j=1"), Fetch("/a", &[]), Script("j=2"), Fetch("/a", &[])],
        &[D, D],
    ),
    (
        "script deletes",
        &[],
        &[Go("/"), Script("j=1"), Fetch("/a", &[]), Script("j=; Max-Age=0"), Fetch("/a", &[])],
        &[D, D],
    ),
    (
        "script changes what a response has set",
        &[],
        &[Go("/"), Relay("/x", &["s=1; Path=/"]), Script("s=2; Path=/"), Fetch("/a", &[])],
        &[R],
    ),
    (
        "script cannot change HttpOnly",
        &[],
        &[
            Go("/"),
            Relay("/x", &["s=1; Path=/; HttpOnly"]),
            Script("s=2; Path=/"),
            Fetch("/a", &[]),
        ],
        &[D],
    ),
    (
        "script below the root",
        &[],
        &[
            Go("/app/page"),
            Relay("/api/x", &[]),
            Script("j=1"),
            Fetch("/app/page", &[]),
            Fetch("/api/x", &[]),
            Fetch("/api/x", &[]),
        ],
        &[D, R, D],
    ),
    (
        "script below the root, for all",
        &[],
        &[
            Go("/app/page"),
            Relay("/api/x", &[]),
            Script("j=1; Path=/"),
            Fetch("/api/x", &[]),
            Fetch("/api/x", &[]),
        ],
        &[R, D],
    ),
    (
        "script of the last document",
        &[],
        &[
            Go("/app/page"),
            Script("j=1"),
            Go("/"),
            Fetch("/app/page", &[]),
            Fetch("/app/page", &[]),
            Fetch("/app/page", &[]),
        ],
        &[R, R, D],
    ),
    // From before the host was there.
    (
        "from before, at the root",
        &[("s=1; Path=/; HttpOnly", "/")],
        &[Go("/"), Fetch("/a", &[]), Fetch("/a", &[]), Fetch("/a", &[])],
        &[R, D, D],
    ),
    ("from before, for scripts", &[("s=1; Path=/", "/")], &[Go("/"), Fetch("/a", &[])], &[D]),
    (
        "from before, below",
        &[("s=1; HttpOnly", "/app/login")],
        &[Go("/"), Fetch("/app/x", &[]), Fetch("/app/x", &[]), Fetch("/app/x", &[])],
        &[R, R, D],
    ),
    (
        "from before, for renewal",
        &[("s=1; HttpOnly; Path=/auth/renew", "/")],
        &[
            Go("/"),
            Relay("/auth/x", &[]),
            Post("/auth/renew", &["s=2; HttpOnly; Path=/auth/renew"]),
            Relay("/auth/renew", &[]),
            Post("/auth/renew", &[]),
        ],
        &[R, R],
    ),
    ("new directory", &[], &[Go("/"), Fetch("/app/x", &[]), Fetch("/app/y", &[])], &[R, D]),
    (
        "post where only others were read",
        &[],
        &[Go("/"), Post("/x", &[]), Post("/x", &[])],
        &[R, D],
    ),
    (
        "from before, then replaced",
        &[("s=1; Path=/; HttpOnly", "/")],
        &[Go("/"), Relay("/x", &["s=2; Path=/; HttpOnly"]), Fetch("/a", &[])],
        &[R],
    ),
    (
        "from before, then deleted by relay",
        &[("s=1; Path=/", "/")],
        &[Go("/"), Relay("/x", &["s=; Path=/; Max-Age=0"]), Fetch("/a", &[])],
        &[R],
    ),
    // Targets.
    (
        "query",
        &[],
        &[Go("/"), Relay("/a/b", &["s=1; Path=/a; HttpOnly"]), Fetch("/a/b?c=/d/e", &[])],
        &[D],
    ),
    (
        "a semicolon in the directory",
        &[],
        &[Go("/"), Relay("/a;v=1/b", &["s=1; HttpOnly; Path=/"]), Fetch("/a;v=1/b", &["t=1"])],
        &[R],
    ),
];

#[tokio::test]
async fn rows() {
    assert!(ROWS.len() >= 40);
    let only = std::env::var("ROW").ok();
    for (name, before, steps, expected) in ROWS {
        if only.as_deref().is_some_and(|only| only != *name) {
            continue;
        }
        let mut world = World::new().await;
        for (line, path) in *before {
            world.browser.set(line, path, 0);
            world.native.set(line, path, 0);
        }
        let mut went = Vec::new();
        for step in *steps {
            let with = |request: Request, lines: &[&str]| {
                lines.iter().fold(request, |request, line| request.with("x-set", line))
            };
            match step {
                Go(path) => world.navigate(path).await,
                Relay(path, lines) => {
                    world.relayed(with(Request::new("GET", path), lines), None).await;
                }
                Fetch(path, lines) => {
                    went.push(world.fetch(with(Request::new("GET", path), lines)).await.1);
                }
                Post(path, lines) => {
                    let request = with(Request::new("POST", path), lines).content(b"a=1");
                    went.push(world.fetch(request).await.1);
                }
                Script(line) => {
                    let document = world.document.clone();
                    world.browser.script(line, &document, 0);
                    world.native.script(line, &document, 0);
                }
            }
        }
        assert_eq!(went, *expected, "{name}");
        for path in
            ["/", "/a", "/a/b/d", "/app/x", "/auth/renew", "/c/e", "/x/a", "/_wingman/cookies/1"]
        {
            let natively = world.native.cookie(path, 0);
            assert_eq!(
                world.browser.cookie(path, 0),
                natively,
                "{name}: what is stored for {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_ticket_is_for_one_visitor_once() {
    let mut world = World::new().await;
    world.navigate("/").await;
    let asked = world.directly(Request::new("GET", "/x").with("x-set", "s=1; HttpOnly"), new_id());
    let response = world.direct.ask(&asked).await.expect("a response");
    let ticket = response.field("wingman-ticket").expect("a ticket").to_owned();
    let path = format!("/_wingman/cookies/{ticket}");

    // Not directly, not to somebody else, not by another method, not another number.
    let by_peer = world.directly(Request::new("GET", &path), new_id());
    assert_eq!(world.direct.ask(&by_peer).await.expect("a response").status, 404);
    let stranger = Request::new("GET", &path).with("wingman-visitor", "0".repeat(32));
    assert_eq!(world.relay.ask(&stranger).await.expect("a response").status, 404);
    assert_eq!(world.relay.ask(&Request::new("GET", &path)).await.expect("a response").status, 404);
    let post = world.by_relay(Request::new("POST", &path), None);
    assert_eq!(world.relay.ask(&post).await.expect("a response").status, 405);
    for other in
        [ticket.to_uppercase(), format!("+{}", &ticket[1..]), String::new(), "x".repeat(32)]
    {
        let other =
            world.by_relay(Request::new("GET", &format!("/_wingman/cookies/{other}")), None);
        let answer = world.relay.ask(&other).await.expect("a response");
        // A ticket of digits only is the same in upper case.
        assert!(answer.status == 404 || other.target.ends_with(&ticket), "{}", other.target);
    }
    let redeemed = world.relayed(Request::new("GET", &path), None).await;
    assert_eq!(
        (redeemed.status, redeemed.cookies()),
        (204, vec!["s=1; HttpOnly; Path=/".to_owned()])
    );
    let again = world.relayed(Request::new("GET", &path), None).await;
    assert_eq!((again.status, again.cookies()), (404, Vec::new()));
    let (_, went) = world.fetch(Request::new("GET", "/y")).await;
    assert_eq!(went, Went::Direct);
    assert_eq!(world.recorder.last().field("cookie"), Some("s=1"));
}

#[tokio::test]
async fn without_credentials_there_are_no_cookies() {
    let mut world = World::new().await;
    world.navigate("/").await;
    world.relayed(Request::new("GET", "/x").with("x-set", "s=1; Path=/; HttpOnly"), None).await;
    let asked = Request::new("GET", "/y")
        .with("wingman-request-id", new_id())
        .with("wingman-credentials", "omit")
        .with("x-set", "t=1; Path=/");
    let response = world.direct.ask(&asked).await.expect("a response");
    assert_eq!(world.recorder.last().field("cookie"), None);
    assert_eq!((response.cookies(), response.field("wingman-ticket")), (Vec::new(), None));
}

#[tokio::test]
async fn visitors_have_their_own_jars() {
    let mut world = World::new().await;
    world.navigate("/").await;
    world.relayed(Request::new("GET", "/x").with("x-set", "s=1; Path=/; HttpOnly"), None).await;
    let mut other =
        World { visitor: wingman_wire::id::VisitorId::from_bits(7), ..World::new().await };
    std::mem::swap(&mut world.visitor, &mut other.visitor);
    world.direct = world.another_direct().await;
    let asked = world.directly(Request::new("GET", "/y"), new_id());
    let refused = world.direct.ask(&asked).await.expect_err("an unknown visitor");
    assert_eq!(refused, wingman_wire::code::ResetCode::RelayOnly);
}

#[tokio::test]
async fn a_page_cannot_send_cookies_itself() {
    let mut world = World::new().await;
    world.navigate("/").await;
    let asked = world.directly(Request::new("GET", "/y").with("cookie", "forged=1"), new_id());
    world.direct.ask(&asked).await.expect("a response");
    assert_eq!(world.recorder.last().field("cookie"), None);
    // The origin's own ticket is none.
    let seen = world.recorder.last();
    assert!(seen.fields.iter().all(|(name, _)| !name.starts_with("wingman-")), "{seen:?}");
}

#[tokio::test]
async fn from_another_site_strict_cookies_are_missing_and_stay() {
    let mut world = World::new().await;
    world.navigate("/").await;
    world
        .relayed(
            Request::new("GET", "/x").with("x-set", "s=1; Path=/; HttpOnly; SameSite=Strict"),
            None,
        )
        .await;
    let foreign = Request::new("GET", "/")
        .with("wingman-visitor", world.visitor)
        .with("sec-fetch-dest", "document")
        .with("sec-fetch-site", "cross-site");
    world.relay.ask(&foreign).await.expect("a response");
    assert_eq!(world.fetch(Request::new("GET", "/y")).await.1, Went::Direct);
    assert_eq!(world.recorder.last().field("cookie"), Some("s=1"));
}
