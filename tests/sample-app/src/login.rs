//! A login with an HttpOnly cookie, as frameworks do it.

use std::collections::VecDeque;

use hyper::body::Incoming;
use hyper::header::{COOKIE, HeaderValue, SET_COOKIE};
use hyper::{HeaderMap, Request, StatusCode};
use parking_lot::Mutex;

use crate::reply::{self, Reply};

/// Who is logged in. The oldest login ends when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<VecDeque<(String, String)>>);

impl Logins {
    /// `POST /login` with the form field `name`: sets two cookies and goes back to the page.
    pub(crate) async fn login(&self, request: Request<Incoming>) -> Reply {
        let content = match reply::collect(request.into_body(), MAX_CONTENT).await {
            Ok(content) => content,
            Err(refusal) => return refusal,
        };
        let name = url::form_urlencoded::parse(&content)
            .find(|(key, _)| key == "name")
            .map(|(_, value)| value.trim().chars().take(MAX_NAME).collect::<String>())
            .filter(|name| !name.is_empty());
        let Some(name) = name else {
            return reply::text(StatusCode::BAD_REQUEST, "who are you? (form field: name)");
        };
        let key = self.add(name);
        let reply = reply::redirect(StatusCode::SEE_OTHER, "/#login");
        let reply = cookie(reply, &format!("{KEY}={key}; Path=/; HttpOnly; SameSite=Lax"));
        cookie(reply, "sample_visits=1; Path=/; Max-Age=3600; SameSite=Lax")
    }

    /// `POST /logout`: forgets the login and expires its cookie.
    pub(crate) fn logout(&self, fields: &HeaderMap) -> Reply {
        if let Some(key) = key(fields) {
            self.0.lock().retain(|(known, _)| known != key);
        }
        let reply = reply::redirect(StatusCode::SEE_OTHER, "/#login");
        cookie(reply, &format!("{KEY}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"))
    }

    /// `GET /api/me`: who the cookie says the visitor is.
    pub(crate) fn me(&self, fields: &HeaderMap) -> Reply {
        let name = key(fields).and_then(|key| {
            let logins = self.0.lock();
            logins.iter().find(|(known, _)| known == key).map(|(_, name)| name.clone())
        });
        reply::json(StatusCode::OK, &serde_json::json!({ "name": name }))
    }

    fn add(&self, name: String) -> String {
        let key = format!("{:032x}", rand::random::<u128>());
        let mut logins = self.0.lock();
        if logins.len() == MAX_LOGINS {
            logins.pop_front();
        }
        logins.push_back((key.clone(), name));
        key
    }
}

fn cookie(reply: Reply, cookie: &str) -> Reply {
    match HeaderValue::from_str(cookie) {
        Ok(cookie) => reply::with(reply, SET_COOKIE, cookie),
        Err(_) => reply,
    }
}

/// The value of our cookie; browsers may send several Cookie field lines over HTTP/2.
fn key(fields: &HeaderMap) -> Option<&str> {
    fields
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(KEY)?.strip_prefix('='))
}

const KEY: &str = "sample_login";
const MAX_CONTENT: usize = 4096;
const MAX_NAME: usize = 40;
const MAX_LOGINS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_cookie_among_others() {
        let mut fields = HeaderMap::new();
        assert_eq!(key(&fields), None);
        fields.append(COOKIE, HeaderValue::from_static("a=1; sample_login_old=2"));
        assert_eq!(key(&fields), None);
        fields.append(COOKIE, HeaderValue::from_static("b=2; sample_login=abc; c=3"));
        assert_eq!(key(&fields), Some("abc"));
    }

    #[test]
    fn the_oldest_login_makes_room() {
        let logins = Logins::default();
        let first = logins.add("first".into());
        for number in 1..=MAX_LOGINS {
            logins.add(number.to_string());
        }
        let logins = logins.0.lock();
        assert_eq!(logins.len(), MAX_LOGINS);
        assert!(logins.iter().all(|(key, _)| *key != first));
    }
}
