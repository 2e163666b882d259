use super::*;

fn cookies(version: Version, lines: &[&'static str]) -> Vec<String> {
    let mut request = RequestHeader::build("GET", b"/", None).expect("is a request");
    request.set_version(version);
    for line in lines {
        request.append_header(header::COOKIE, *line).expect("is a field");
    }
    let lines = cookie_lines(&request, VisitorCookie::of(head::Scheme::Http));
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

#[test]
fn cookies_of_http2_become_one_line() {
    let two = Version::HTTP_2;
    assert_eq!(cookies(two, &["a=1", "b=2", "c=3; d=4"]), ["a=1; b=2; c=3; d=4"]);
    assert_eq!(cookies(two, &["wingman=1", "a=1", "wingman=2; b=2"]), ["a=1; b=2"]);
    assert_eq!(cookies(two, &["a=1"]), ["a=1"]);
    assert!(cookies(two, &["wingman=1"]).is_empty());
}

#[test]
fn cookies_of_http1_stay_as_they_are() {
    assert_eq!(cookies(Version::HTTP_11, &["a=1", "wingman=1", "b=2"]), ["a=1", "b=2"]);
}
