//! The to-do list: a small JSON API.

use std::collections::BTreeMap;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::reply::{self, Reply};

/// All entries, shared by all visitors.
#[derive(Debug)]
pub(crate) struct Todos(Mutex<Entries>);

#[derive(Debug)]
struct Entries {
    next: u64,
    titles: BTreeMap<u64, String>,
}

/// One entry as the API shows it.
#[derive(Debug, Serialize)]
struct Todo<'a> {
    id: u64,
    title: &'a str,
}

/// What a new entry is made from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTodo {
    title: String,
}

impl Default for Todos {
    fn default() -> Self {
        let titles = ["Share this page with someone", "Open it in a second tab and chat"];
        let titles: BTreeMap<u64, String> =
            (1..).zip(titles.into_iter().map(String::from)).collect();
        Self(Mutex::new(Entries { next: 3, titles }))
    }
}

impl Todos {
    /// Answers a request for `/api/todos`, or for the entry `id` below it.
    pub(crate) async fn answer(&self, request: Request<Incoming>, id: Option<&str>) -> Reply {
        match (request.method().clone(), id) {
            (Method::GET | Method::HEAD, None) => self.list(),
            (Method::POST, None) => match reply::collect(request.into_body(), MAX_CONTENT).await {
                Ok(content) => self.add(&content),
                Err(refusal) => refusal,
            },
            (Method::DELETE, Some(id)) => self.remove(id),
            (_, id) => {
                let allowed = if id.is_some() { "DELETE" } else { "GET, HEAD, POST" };
                let refusal = problem(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
                reply::with(refusal, ALLOW, HeaderValue::from_static(allowed))
            }
        }
    }

    fn list(&self) -> Reply {
        let entries = self.0.lock();
        let todos: Vec<_> = entries.titles.iter().map(|(&id, title)| Todo { id, title }).collect();
        reply::json(StatusCode::OK, &todos)
    }

    fn add(&self, content: &[u8]) -> Reply {
        let Ok(NewTodo { title }) = serde_json::from_slice(content) else {
            return problem(StatusCode::BAD_REQUEST, "expected {\"title\": \"…\"}");
        };
        let title = title.trim();
        if title.is_empty() || title.chars().count() > MAX_TITLE {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, "a title has 1 to 200 characters");
        }
        let mut entries = self.0.lock();
        if entries.titles.len() >= MAX_ENTRIES {
            return problem(StatusCode::CONFLICT, "the list is full: finish something first");
        }
        let id = entries.next;
        entries.next += 1;
        entries.titles.insert(id, title.to_owned());
        reply::json(StatusCode::CREATED, &Todo { id, title })
    }

    fn remove(&self, id: &str) -> Reply {
        let removed = id.parse().ok().and_then(|id: u64| self.0.lock().titles.remove(&id));
        match removed {
            Some(_) => reply::empty(StatusCode::NO_CONTENT),
            None => problem(StatusCode::NOT_FOUND, "no such entry"),
        }
    }
}

fn problem(status: StatusCode, error: &str) -> Reply {
    reply::json(status, &serde_json::json!({ "error": error }))
}

const MAX_CONTENT: usize = 4096;
const MAX_TITLE: usize = 200;
const MAX_ENTRIES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_and_removes_one_entry() {
        let todos = Todos::default();
        assert_eq!(todos.add(br#"{"title":"  water plants "}"#).status(), StatusCode::CREATED);
        assert_eq!(todos.0.lock().titles[&3], "water plants");
        assert_eq!(todos.remove("3").status(), StatusCode::NO_CONTENT);
        assert_eq!(todos.remove("3").status(), StatusCode::NOT_FOUND);
        assert_eq!(todos.remove("three").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn refuses_what_it_cannot_keep() {
        let todos = Todos::default();
        let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(MAX_TITLE + 1));
        for (content, status) in [
            ("", StatusCode::BAD_REQUEST),
            (r#"{"title":"a","admin":true}"#, StatusCode::BAD_REQUEST),
            (r#"{"title":"   "}"#, StatusCode::UNPROCESSABLE_ENTITY),
            (long.as_str(), StatusCode::UNPROCESSABLE_ENTITY),
        ] {
            assert_eq!(todos.add(content.as_bytes()).status(), status, "{content}");
        }
        while todos.0.lock().titles.len() < MAX_ENTRIES {
            assert_eq!(todos.add(br#"{"title":"more"}"#).status(), StatusCode::CREATED);
        }
        assert_eq!(todos.add(br#"{"title":"more"}"#).status(), StatusCode::CONFLICT);
    }
}
