//! Responses that the host makes itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use wingman_wire::direct::{COOKIES_PATH, ECHO_PATH, field};

use super::{Via, asked::Asked, visitors::Visitors};
use crate::cookies::{Cookies, Stamp};

/// A response of ours; small.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) content: Bytes,
    /// Of the cookies in it.
    pub(super) stamp: Option<Stamp>,
}

/// What the host answers without the origin; `None` for what is the origin's.
pub(super) fn answer(asked: &Asked, cookies: &Cookies, visitors: &Visitors) -> Option<Answer> {
    let path = asked.path();
    if !path.starts_with(PREFIX) {
        return None;
    }
    if asked.method != Method::GET && asked.method != Method::HEAD {
        let mut refused = Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
        refused.fields.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(refused);
    }
    if path == ECHO_PATH {
        let mut echo = Answer::empty(StatusCode::NO_CONTENT);
        let tag = asked.facts.visitor.map(|visitor| visitors.tag(visitor));
        if let Some(Ok(tag)) = tag.map(HeaderValue::try_from) {
            echo.fields.insert(field::VISITOR_TAG, tag);
        }
        return Some(echo);
    }
    let redeemed = path
        .strip_prefix(COOKIES_PATH)
        // Browsers would not take cookies from a direct response.
        .filter(|_| asked.facts.via == Via::Link)
        .and_then(|ticket| cookies.redeem(asked.facts.visitor?, asked.facts.request(), ticket));
    let Some((lines, stamp)) = redeemed else { return Some(Answer::empty(StatusCode::NOT_FOUND)) };
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    for line in lines {
        answer.fields.append(header::SET_COOKIE, line);
    }
    Some(Answer { stamp: Some(stamp), ..answer })
}

impl Answer {
    fn empty(status: StatusCode) -> Self {
        let mut fields = HeaderMap::new();
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self { status, fields, content: Bytes::new(), stamp: None }
    }

    /// The request was run, its response is lost, and to run it again would be wrong.
    pub(super) fn replay_lost() -> Self {
        let mut answer = Self::empty(StatusCode::BAD_GATEWAY);
        let content = Bytes::from_static(
            b"The direct path broke after this request was executed, and its response is lost.\n",
        );
        answer.fields.insert("wingman-error", HeaderValue::from_static("replay-lost"));
        answer
            .fields
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer.fields.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
        answer.content = content;
        answer
    }
}

/// All paths of ours.
const PREFIX: &str = "/_wingman/";
