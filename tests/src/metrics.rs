//! What an edge counts.

use std::collections::BTreeMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One scrape of Prometheus text: values by name with labels, as `wingman_edge_links` or
/// `wingman_edge_links_closed_total{reason="ended"}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Scrapes the endpoint at 127.0.0.1.
    pub(crate) async fn scrape(port: u16) -> std::io::Result<Self> {
        Ok(Self::parse(&exposition(port).await?))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(pairs.collect())
    }

    /// The value of `wingman_edge_NAME`, labels included as Prometheus writes them; panics when there is
    /// none, for a misspelt name must not read as zero.
    #[track_caller]
    pub fn get(&self, name: &str) -> f64 {
        let full = format!("wingman_edge_{name}");
        match self.0.get(&full) {
            Some(value) => *value,
            None => panic!("no metric {full}; there are {:?}", self.0.keys()),
        }
    }

    /// The sum over all labels of `wingman_edge_NAME`.
    #[track_caller]
    pub fn sum(&self, name: &str) -> f64 {
        let prefix = format!("wingman_edge_{name}{{");
        let mut values = self
            .0
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(_, value)| value)
            .peekable();
        assert!(values.peek().is_some(), "no metric {prefix}…}}");
        values.sum()
    }
}

/// What Prometheus is told at this port of 127.0.0.1.
///
/// # Errors
/// Nobody answers, or not as an endpoint of metrics does.
pub async fn exposition(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    match text.split_once("\r\n\r\n") {
        Some((head, content)) if head.starts_with("HTTP/1.1 200 ") => Ok(content.to_owned()),
        _ => Err(std::io::Error::other(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(
            "# HELP x y\nwingman_edge_links 2\n\
             wingman_edge_closed_total{reason=\"a b\"} 3\nwingman_edge_closed_total{reason=\"c\"} 4\n",
        );
        assert_eq!(metrics.get("links"), 2.0);
        assert_eq!(metrics.get("closed_total{reason=\"a b\"}"), 3.0);
        assert_eq!(metrics.sum("closed_total"), 7.0);
    }
}
