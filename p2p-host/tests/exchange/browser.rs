//! A browser's cookie store, small and plain: what the jar is measured by. Shares no code with it.

/// One stored cookie.
#[derive(Clone, Debug)]
struct Stored {
    name: String,
    value: String,
    path: String,
    domain: bool,
    http_only: bool,
    ends: Option<u64>,
    created: u64,
}

/// Cookies of one host, by TLS. Times are seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    cookies: Vec<Stored>,
    counter: u64,
}

impl Browser {
    /// A response to a request for `path` sets a cookie.
    pub(crate) fn set(&mut self, line: &str, path: &str, now: u64) {
        self.store(line, path, now, false);
    }

    /// A script in a document at `path` writes `document.cookie`.
    pub(crate) fn script(&mut self, line: &str, path: &str, now: u64) {
        self.store(line, path, now, true);
    }

    /// A response clears all of them.
    pub(crate) fn clear(&mut self) {
        self.cookies.clear();
    }

    /// `Cookie` of a request.
    pub(crate) fn cookie(&mut self, path: &str, now: u64) -> String {
        self.list(path, now, true)
    }

    /// `document.cookie`.
    pub(crate) fn document(&mut self, path: &str, now: u64) -> String {
        self.list(path, now, false)
    }

    fn list(&mut self, path: &str, now: u64, all: bool) -> String {
        self.cookies.retain(|cookie| cookie.ends.is_none_or(|ends| ends > now));
        let mut sent: Vec<&Stored> = self
            .cookies
            .iter()
            .filter(|cookie| path_matches(&cookie.path, path) && (all || !cookie.http_only))
            .collect();
        sent.sort_by(|one, other| {
            other.path.len().cmp(&one.path.len()).then(one.created.cmp(&other.created))
        });
        let pairs: Vec<String> = sent
            .iter()
            .map(|cookie| match cookie.name.as_str() {
                "" => cookie.value.clone(),
                name => format!("{name}={}", cookie.value),
            })
            .collect();
        pairs.join("; ")
    }

    fn store(&mut self, line: &str, request_path: &str, now: u64, by_script: bool) {
        let mut parts = line.split(';').map(str::trim);
        let pair = parts.next().expect("split gives one");
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let default_path = match request_path.rfind('/') {
            Some(at) if at > 0 => &request_path[..at],
            _ => "/",
        };
        let mut cookie = Stored {
            name: name.to_owned(),
            value: value.to_owned(),
            path: default_path.to_owned(),
            domain: false,
            http_only: false,
            ends: None,
            created: self.counter,
        };
        self.counter += 1;
        let (mut max_age, mut expires, mut secure) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.to_lowercase().as_str() {
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "path" => cookie.path = default_path.to_owned(),
                "domain" if value == "other.test" => return,
                // Only the session's own host comes so far.
                "domain" if value.trim_start_matches('.') == "abc.wingman.dev" => {
                    cookie.domain = true
                }
                "httponly" => cookie.http_only = true,
                "secure" => secure = true,
                "max-age" => max_age = value.parse::<i64>().ok(),
                "expires" if value.contains("1970") => expires = Some(0),
                "expires" if value.contains("2099") => expires = Some(u64::MAX),
                _ => {}
            }
        }
        if name.starts_with("__Host-") && (!secure || cookie.domain || cookie.path != "/") {
            return;
        }
        if name.starts_with("__Secure-") && !secure {
            return;
        }
        cookie.ends = match max_age {
            Some(seconds) if seconds <= 0 => Some(0),
            Some(seconds) => Some(now + seconds.unsigned_abs()),
            None => expires,
        };
        if by_script && cookie.http_only {
            return;
        }
        let same = self.cookies.iter().position(|old| {
            old.name == cookie.name && old.path == cookie.path && old.domain == cookie.domain
        });
        if let Some(place) = same {
            if by_script && self.cookies[place].http_only {
                return;
            }
            cookie.created = self.cookies.remove(place).created;
        }
        if cookie.ends.is_none_or(|ends| ends > now) {
            self.cookies.push(cookie);
        }
    }
}

fn path_matches(cookie: &str, request: &str) -> bool {
    cookie == request
        || (request.starts_with(cookie)
            && (cookie.ends_with('/') || request[cookie.len()..].starts_with('/')))
}
