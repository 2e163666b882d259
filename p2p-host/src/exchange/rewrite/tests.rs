use super::names::Url;
use super::*;

fn public() -> Public {
    Public::new(Scheme::Https, HeaderValue::from_static("abc.wingman.dev"))
}

fn rewriter(target: &str, host: HostHeader) -> Rewriter {
    Rewriter::new(&target.parse().expect("target"), host)
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).expect("value"));
    }
    headers
}

#[track_caller]
fn request_becomes(rewriter: &Rewriter, name: &'static str, before: &str, after: &str) {
    let mut headers = headers(&[("host", "abc.wingman.dev"), (name, before)]);
    rewriter.request(&mut headers, Some(&public()));
    assert_eq!(headers[name], after, "{name}: {before}");
}

#[track_caller]
fn response_becomes(name: &'static str, before: &str, after: &str) {
    let mut headers = headers(&[(name, before)]);
    rewriter("3000", HostHeader::Origin).response(&mut headers, Some(&public()));
    assert_eq!(headers[name], after, "{name}: {before}");
}

#[test]
fn requests_name_the_origin() {
    let rewriter = rewriter("3000", HostHeader::Origin);
    let check = |name, before, after| request_becomes(&rewriter, name, before, after);
    check("host", "abc.wingman.dev", "localhost:3000");
    check("origin", "https://abc.wingman.dev", "http://localhost:3000");
    check("origin", "HTTPS://ABC.wingman.dev:443", "http://localhost:3000");
    check("referer", "https://abc.wingman.dev/a?b=c", "http://localhost:3000/a?b=c");
    check("referer", "https://abc.wingman.dev", "http://localhost:3000");
}

#[test]
fn other_origins_and_referers_stay() {
    let rewriter = rewriter("3000", HostHeader::Origin);
    for origin in [
        "null",
        "http://abc.wingman.dev",
        "https://abc.wingman.dev:8443",
        "https://abc.wingman.dev.evil.example",
        "https://evil.example",
        "https://user@abc.wingman.dev",
        "https://abc.wingman.dev/",
    ] {
        request_becomes(&rewriter, "origin", origin, origin);
    }
    for referer in ["https://abc.wingman.development/", "https://x.test/abc.wingman.dev", "about:"]
    {
        request_becomes(&rewriter, "referer", referer, referer);
    }
}

#[test]
fn preserve_touches_no_request() {
    let rewriter = rewriter("3000", HostHeader::Preserve);
    let mut all = headers(&[
        ("host", "abc.wingman.dev"),
        ("origin", "https://abc.wingman.dev"),
        ("referer", "https://abc.wingman.dev/a"),
    ]);
    let before = all.clone();
    rewriter.request(&mut all, Some(&public()));
    assert_eq!(all, before);
    // HTTP/1.1 cannot do without a Host.
    let mut none = HeaderMap::new();
    rewriter.request(&mut none, Some(&public()));
    assert_eq!(none["host"], "abc.wingman.dev");
}

#[test]
fn a_fixed_host_is_used_throughout() {
    let fixed = rewriter("3000", "myapp.test".parse().expect("host"));
    request_becomes(&fixed, "host", "abc.wingman.dev", "myapp.test");
    request_becomes(&fixed, "origin", "https://abc.wingman.dev", "http://myapp.test");
    for location in ["http://myapp.test/x", "http://localhost:3000/x", "http://MYAPP.test:80/x"] {
        let mut answer = headers(&[("location", location)]);
        fixed.response(&mut answer, Some(&public()));
        assert_eq!(answer["location"], "https://abc.wingman.dev/x", "{location}");
    }
}

#[test]
fn without_a_public_name_only_the_host_changes() {
    let rewriter = rewriter("https://localhost", HostHeader::Origin);
    let mut all = headers(&[("host", "x"), ("origin", "https://abc.wingman.dev")]);
    rewriter.request(&mut all, None);
    assert_eq!(all["host"], "localhost");
    assert_eq!(all["origin"], "https://abc.wingman.dev");
}

#[test]
fn locations_name_the_session() {
    for name in ["location", "content-location"] {
        for authority in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000", "LocalHost:3000"] {
            response_becomes(
                name,
                &format!("http://{authority}/a?b#c"),
                "https://abc.wingman.dev/a?b#c",
            );
        }
        response_becomes(name, "http://localhost:3000", "https://abc.wingman.dev");
        response_becomes(name, "http://localhost:3000?q", "https://abc.wingman.dev?q");
        response_becomes(name, "//localhost:3000/a", "//abc.wingman.dev/a");
    }
}

#[test]
fn other_locations_stay() {
    for location in [
        "/a",
        "a",
        "",
        "?q",
        "http://localhost:3001/",
        "http://localhost/",
        "http://localhost:30001/",
        "https://localhost:3000/",
        "http://localhost:3000@evil.example/",
        "http://evil.example/?http://localhost:3000/",
        "ftp://localhost:3000/",
        "http:///x",
        "/\\localhost:3000/",
    ] {
        response_becomes("location", location, location);
    }
}

#[test]
fn bytes_that_are_no_text_survive() {
    let mut answer = HeaderMap::new();
    let value = HeaderValue::from_bytes(b"http://localhost:3000/\xff\xc3").expect("value");
    answer.insert("location", value);
    rewriter("3000", HostHeader::Origin).response(&mut answer, Some(&public()));
    assert_eq!(answer["location"].as_bytes(), b"https://abc.wingman.dev/\xff\xc3");
}

#[test]
fn refresh_is_rewritten_where_it_is_simple() {
    let check = |before, after| response_becomes("refresh", before, after);
    check("5; url=http://localhost:3000/x", "5; url=https://abc.wingman.dev/x");
    check("0;URL='http://localhost:3000/x'", "0;URL='https://abc.wingman.dev/x'");
    check("0, url = \"http://localhost:3000\" ", "0, url = \"https://abc.wingman.dev\" ");
    for other in ["5", "5;", "5; url", "5; url=", "5; url=/x", "5; url=http://x.test/", "5; u=", ""]
    {
        check(other, other);
    }
}

#[test]
fn the_allowed_origin_is_the_visitors() {
    let check = |before, after| response_becomes("access-control-allow-origin", before, after);
    check("http://localhost:3000", "https://abc.wingman.dev");
    check("http://127.0.0.1:3000", "https://abc.wingman.dev");
    for other in
        ["*", "null", "https://other.example", "//localhost:3000", "http://localhost:3000/"]
    {
        check(other, other);
    }
}

#[test]
fn cookies_lose_the_origins_domain() {
    let check = |before, after| response_becomes("set-cookie", before, after);
    check("a=b; Domain=localhost; Path=/; Secure", "a=b; Path=/; Secure");
    check("a=b;domain=.LOCALHOST", "a=b");
    check("a=b; Path=/ ;  DOMAIN = 127.0.0.1 ;SameSite=Lax", "a=b; Path=/ ;SameSite=Lax");
    check("a=b; domain=::1; domain=[::1]; x", "a=b; x");
    for other in [
        "a=b; Domain=wingman.dev",
        "a=b; Domain=notlocalhost",
        "a=b; Domain=",
        "a=b; Domain",
        "Domain=localhost",
        "a=\"Domain=localhost\"; Path=/",
        "a=b; Path=/; Secure; SameSite=None; HttpOnly; Partitioned",
    ] {
        check(other, other);
    }
}

#[test]
fn every_cookie_is_looked_at_and_order_is_kept() {
    let mut answer = headers(&[
        ("set-cookie", "a=1; Domain=localhost"),
        ("set-cookie", "b=2"),
        ("set-cookie", "c=3; Domain=localhost"),
    ]);
    // Not a matter of the visitor's address.
    rewriter("3000", HostHeader::Origin).response(&mut answer, None);
    let cookies: Vec<_> = answer.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2", "c=3"]);
}

#[test]
fn urls_are_split_as_browsers_do() {
    let url = |scheme, authority, rest| Some(Url { scheme, authority, rest });
    let http = Some(Scheme::Http);
    assert_eq!(split_url(b"http://a:1/b"), url(http, b"a:1", b"/b"));
    assert_eq!(split_url(b"http://a\\@b"), url(http, b"a", b"\\@b"));
    assert_eq!(split_url(b"//a#x"), url(None, b"a", b"#x"));
    assert_eq!(split_url(b"https://"), None);
    assert_eq!(split_url(b"mailto:a"), None);
}

#[test]
fn a_host_header_is_a_word_or_an_authority() {
    for text in ["origin", "preserve", "app.test", "app.test:8080", "[::1]:80", "[::1]"] {
        assert_eq!(text.parse::<HostHeader>().expect(text).to_string(), text);
    }
    for text in ["", "a b", "http://a", "a/b", "me@a", "a:", "a:x", "a:99999", "ä", "a\r\nb"] {
        assert_eq!(text.parse::<HostHeader>(), Err(HostHeaderError), "{text:?}");
    }
}
