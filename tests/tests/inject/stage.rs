//! A session whose origin the test plays, and what visitors get through it.

use std::time::Duration;

use wingman_tests::{EdgeOptions, Handed, Head, HostOptions, Message, Share, soon, until};

/// What browsers send when a person opens a page.
pub(crate) const NAVIGATION: &str = "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\
    Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Encoding: gzip, br, zstd\r\n";
/// What browsers send for `fetch()`.
pub(crate) const FETCH: &str = "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nAccept: text/html\r\n\
    Accept-Encoding: gzip, br, zstd\r\n";

pub(crate) const PAGE: &str = "<!doctype html>\n<html>\n<head>\n<title>a</title>\n\
    <script>first()</script></head>\n<body>b</body>\n</html>\n";

pub(crate) struct Stage {
    pub(crate) share: Share,
    pub(crate) handed: Handed,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::with(EdgeOptions::default(), HostOptions::default()).await
    }

    pub(crate) async fn with(edge: EdgeOptions, host: HostOptions) -> Self {
        let (share, handed) = Share::handing_over_with(edge, host).await;
        Self { share, handed }
    }

    /// One exchange on connections of its own: what the origin got, and what the visitor got for
    /// `answer`, which is the origin's bytes.
    pub(crate) async fn exchange(
        &mut self,
        start: &str,
        fields: &str,
        answer: impl AsRef<[u8]>,
    ) -> (Head, Message) {
        let mut visitor = self.share.visit().await;
        visitor.send(self.share.request(start, fields)).await;
        let (mut origin, asked) = self.handed.next().await;
        origin.send(answer).await;
        drop(origin);
        let response =
            visitor.response(start.starts_with("HEAD ")).await.expect("a whole response");
        (asked, response)
    }

    /// What a person's browser gets for an answer.
    pub(crate) async fn navigate(&mut self, answer: impl AsRef<[u8]>) -> Message {
        self.exchange("GET /", NAVIGATION, answer).await.1
    }

    /// Waits until so many documents have come to this outcome: they count when they have ended, which
    /// is after their visitor has all of them.
    pub(crate) async fn counts(&self, outcome: &str, expected: f64) {
        let name = format!("injections_total{{outcome=\"{outcome}\"}}");
        let what = format!("{expected} × {outcome}");
        until(&what, Duration::from_secs(5), async || {
            self.share.edge.metrics().await.get(&name) == expected
        })
        .await;
    }
}

/// A response of the origin; `fields` are whole lines. The length is added.
pub(crate) fn answer(status: &str, fields: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let length = content.len();
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), content].concat()
}

/// An HTML response of the origin.
pub(crate) fn html(content: impl AsRef<[u8]>) -> Vec<u8> {
    answer("200 OK", "Content-Type: text/html; charset=utf-8\r\n", content)
}

/// The content without the script's tag, and the tag's value, if there is one.
pub(crate) fn split(content: &[u8]) -> (Vec<u8>, Option<String>) {
    const START: &[u8] = b"<script src=\"/_wingman/page.js\" data-wingman='";
    const END: &[u8] = b"'></script>";
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|part| part == what);
    let Some(start) = find(content, START) else { return (content.to_vec(), None) };
    let (before, rest) = (&content[..start], &content[start + START.len()..]);
    let end = find(rest, END).expect("the tag ends");
    let after = &rest[end + END.len()..];
    assert!(find(after, START).is_none(), "there is one tag");
    let value = String::from_utf8(rest[..end].to_vec()).expect("it is ASCII");
    ([before, after].concat(), Some(value))
}

#[track_caller]
pub(crate) fn assert_injected(response: &Message, page: impl AsRef<[u8]>) {
    let (without, tag) = split(&response.content);
    assert!(tag.is_some(), "no script in {:?}\n{}", response.head, response.text());
    assert_eq!(String::from_utf8_lossy(&without), String::from_utf8_lossy(page.as_ref()));
    assert_eq!(response.head.get("content-length"), None);
}

#[track_caller]
pub(crate) fn assert_untouched(response: &Message, page: impl AsRef<[u8]>) {
    let page = page.as_ref();
    assert!(response.content == page, "changed: {:?}\n{}", response.head, response.text());
    assert_eq!(response.head.get("content-length"), Some(&*page.len().to_string()));
    assert_eq!(response.head.get("vary"), None);
}

/// A flood would end the test, but not with a reason.
pub(crate) async fn piece(visitor: &mut wingman_tests::Wire<tokio::net::TcpStream>) -> Vec<u8> {
    soon(visitor.piece()).await.expect("whole").expect("a piece").to_vec()
}
