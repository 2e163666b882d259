//! What travels on a wire: heads and messages.

use std::fmt;

use bytes::Bytes;

/// A start line and its field lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// The start line.
    pub start: String,
    /// Field lines in order, names as they were sent.
    pub fields: Vec<(String, String)>,
    /// All of it as it came, the empty line included.
    pub raw: Bytes,
}

/// A whole message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Interim responses (1xx) before it.
    pub interim: Vec<Head>,
    /// Its head.
    pub head: Head,
    /// Its content, decoded.
    pub content: Vec<u8>,
    /// Its trailers.
    pub trailers: Vec<(String, String)>,
}

/// The connection ended, or broke, before the message did.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// Closed or reset in the middle of a message, after so many decoded bytes of content.
    #[error("the message was cut after {0} bytes of content: {1}")]
    Amid(u64, String),
    /// Closed before a message began.
    #[error("no message")]
    Nothing,
}

impl Head {
    pub(super) fn parse(raw: Bytes) -> Self {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        Self { start, fields: lines.map(field).collect(), raw }
    }

    /// The status, if it is a response's.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let same = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// All values of a field, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(same).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&String::from_utf8_lossy(&self.raw))
    }
}

impl Message {
    /// The status of a response.
    #[track_caller]
    pub fn status(&self) -> u16 {
        self.head.status().expect("is a response")
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

pub(super) fn field(line: impl AsRef<str>) -> (String, String) {
    let line = line.as_ref();
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a field: {line:?}"));
    (name.to_owned(), value.trim().to_owned())
}
