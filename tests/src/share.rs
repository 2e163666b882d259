//! An edge, a host and an origin, ready for visitors.

use std::future::Future;

use tokio::net::TcpStream;

use crate::{
    edge::{Edge, EdgeOptions},
    host::{Host, HostOptions},
    origin::{Handed, Origin, OriginConnection},
    wire::{Message, Wire},
};

/// A session that is open.
#[derive(Debug)]
pub struct Share {
    /// The public server.
    pub edge: Edge,
    /// The developer's program.
    pub host: Host,
    /// What it shares.
    pub origin: Origin,
}

impl Share {
    /// With defaults; `script` runs for each connection to the origin.
    pub async fn of<F>(script: impl Fn(OriginConnection) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(EdgeOptions::default(), HostOptions::default(), script).await
    }

    /// With these options.
    pub async fn with<F>(
        edge: EdgeOptions,
        host: HostOptions,
        script: impl Fn(OriginConnection) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::around(edge, host, Origin::start(script).await).await
    }

    /// With defaults and an origin that the test plays; see [`Origin::handing_over`].
    pub async fn handing_over() -> (Self, Handed) {
        Self::handing_over_with(EdgeOptions::default(), HostOptions::default()).await
    }

    /// With these options and an origin that the test plays.
    pub async fn handing_over_with(edge: EdgeOptions, host: HostOptions) -> (Self, Handed) {
        let (origin, handed) = Origin::handing_over().await;
        (Self::around(edge, host, origin).await, handed)
    }

    /// With these options and this origin.
    pub async fn around(edge: EdgeOptions, host: HostOptions, origin: Origin) -> Self {
        let edge = edge.start().await;
        let host = host.start(&edge, &origin.target()).await;
        Self { edge, host, origin }
    }

    /// A new visitor's connection.
    pub async fn visit(&self) -> Wire<TcpStream> {
        self.edge.visit().await
    }

    /// What visitors send as `Host`.
    pub fn authority(&self) -> &str {
        self.host.authority()
    }

    /// A request head: `start` is method and target, as `"GET /a"`; `fields` are whole lines, each with
    /// its CRLF. `Host` is added.
    pub fn request(&self, start: &str, fields: &str) -> String {
        format!("{start} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.authority())
    }

    /// Sends a GET on a connection of its own and takes the whole response.
    pub async fn get(&self, target: &str) -> Message {
        let mut visitor = self.visit().await;
        let request = self.request(&format!("GET {target}"), "Connection: close\r\n");
        visitor.send(&request).await;
        visitor.response(false).await.expect("a whole response")
    }
}
