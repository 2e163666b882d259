//! Metrics as Prometheus reads them.

use parking_lot::Mutex;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::process::Process;

/// All metrics of a program.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    process: Mutex<Process>,
}

impl Exposition {
    pub(crate) fn new(registry: Registry, process: Process) -> Self {
        Self { registry, process: Mutex::new(process) }
    }

    /// The content type and the text.
    pub fn encode(&self) -> (&'static str, Vec<u8>) {
        self.process.lock().refresh();
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing to a Vec does not fail and no family is empty");
        (prometheus::TEXT_FORMAT, text)
    }
}

/// Reads one request for `GET /metrics`, answers it and closes. It waits for the other end without a deadline:
/// the caller has one.
///
/// This is all of HTTP that a scrape needs; it stands on an address of its own, where no visitor comes.
///
/// # Errors
/// The connection broke, or the request's head is longer than any scrape's.
pub async fn answer(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    exposition: &Exposition,
) -> std::io::Result<()> {
    let mut request = [0_u8; MAX_REQUEST];
    let mut length = 0;
    while !request[..length].windows(4).any(|window| window == b"\r\n\r\n") {
        if length == MAX_REQUEST {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        match connection.read(&mut request[length..]).await? {
            0 => return Ok(()),
            read => length += read,
        }
    }
    let target = request[..length].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, content_type, content) = match path {
        b"/metrics" | b"/" => {
            let (content_type, content) = exposition.encode();
            ("200 OK", content_type, content)
        }
        _ => ("404 Not Found", "text/plain", b"see /metrics\n".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(&content).await?;
    connection.shutdown().await
}

/// Prometheus sends some 300 bytes.
const MAX_REQUEST: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, Content};

    fn exposition() -> Exposition {
        let build = Builder::new("wingman_test");
        build.count("a_total", "Things counted").add(2);
        drop(build.level("b", "Things that are").hold());
        let family = build.family("c_total", "Things by way", "direction");
        family.get(Content::Response).add(1);
        build.finish()
    }

    /// What comes back for a request that arrives in pieces.
    async fn asked(pieces: &[&str]) -> (String, std::io::Result<()>) {
        let (mut prometheus, here) = tokio::io::duplex(64);
        let exposition = exposition();
        let ask = async {
            for piece in pieces {
                prometheus.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut text = String::new();
            prometheus.shutdown().await.unwrap();
            prometheus.read_to_string(&mut text).await.unwrap();
            text
        };
        let (text, answered) = tokio::join!(ask, answer(here, &exposition));
        (text, answered)
    }

    #[tokio::test]
    async fn a_scrape_gets_everything() {
        let (text, answered) =
            asked(&["GET /metrics?a=b HT", "TP/1.1\r\nHost: x\r", "\n\r\n"]).await;
        answered.unwrap();
        let (head, content) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", content.len())), "{head}");
        for line in [
            "# HELP wingman_test_a_total Things counted",
            "wingman_test_a_total 2",
            "wingman_test_b 0",
            "wingman_test_c_total{direction=\"request\"} 0",
            "wingman_test_c_total{direction=\"response\"} 1",
            &format!("wingman_test_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        ] {
            assert!(content.lines().any(|other| other == line), "{line} is not in {content}");
        }
    }

    #[tokio::test]
    async fn nothing_else_is_there() {
        let (text, answered) = asked(&["GET /metric HTTP/1.1\r\n\r\n"]).await;
        answered.unwrap();
        assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n"), "{text}");
    }

    #[tokio::test]
    async fn what_is_no_scrape_gets_no_answer() {
        let (text, answered) = asked(&["GET /metrics HTTP/1.1\r\n"]).await;
        answered.unwrap();
        assert_eq!(text, "");
        // More than any scrape sends: it does not stay to hear the rest.
        let (mut prometheus, here) = tokio::io::duplex(2 * MAX_REQUEST);
        prometheus.write_all(&[b'a'; MAX_REQUEST]).await.unwrap();
        let error = answer(here, &exposition()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_measured() {
        let exposition = exposition();
        let value = |name: &str| -> f64 {
            let text = String::from_utf8(exposition.encode().1).unwrap();
            let prefix = format!("wingman_test_{name} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).expect(name);
            line.parse().unwrap()
        };
        assert!(value("resident_memory_bytes") > 100_000.0);
        assert!(value("resident_memory_peak_bytes") >= value("resident_memory_bytes") / 2.0);
        assert!(value("threads") >= 1.0);
        assert!(value("open_fds") >= 3.0);
        assert!(value("start_time_seconds") > 1.7e9);
        let before = value("cpu_seconds_total");
        assert!(value("cpu_seconds_total") >= before);
    }
}
