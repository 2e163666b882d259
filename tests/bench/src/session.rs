//! Hosts reduced to their links: what a session costs the edge, without a process for each.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use http::{HeaderValue, header};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_tungstenite::{client_async_with_config, tungstenite::client::IntoClientRequest};
use wingman_link::{Closed, Link, drive, websocket_config};
use wingman_mux::{Config, Role};
use wingman_wire::{
    LINK_PATH, SUBPROTOCOL,
    control::{self, EdgeToHost, HostToEdge, Open},
};

/// A link with an open session. Dropping it cuts the connection.
#[derive(Debug)]
pub struct Session {
    link: Link,
    driver: JoinHandle<Closed>,
}

impl Session {
    /// Connects to the edge at `address` and asks for a session of any name, as `wingman` does.
    ///
    /// # Errors
    /// The edge refuses, or says nothing in time.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let mut request = format!("ws://localhost:{}{LINK_PATH}", address.port())
            .into_client_request()
            .context("link URL")?;
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let shake = client_async_with_config(request, stream, Some(websocket_config()));
        let (socket, _) = timeout(STEP, shake).await.context("no handshake in time")??;
        let link = Link::new(Config::new(Role::Acceptor));
        let driver = tokio::spawn(drive(socket, link.clone()));
        let session = Self { link, driver };
        let key: [u8; 32] = rand::random();
        let open = HostToEdge::Open(Open {
            name: None,
            resume_key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
            max_exchanges: 256,
            agent: "wingman-bench".to_owned(),
            pages: None,
        });
        session.link.send_control(control::encode(&open)?);
        let answer = timeout(STEP, session.link.control()).await.context("no session in time")?;
        let Some(answer) = answer else {
            bail!("the link is over: {}", session.link.closed().await)
        };
        match control::decode::<EdgeToHost>(&answer)? {
            EdgeToHost::Opened { .. } => Ok(session),
            EdgeToHost::Refused { message, .. } => bail!("refused: {message}"),
            unexpected => bail!("unexpected answer {unexpected:?}"),
        }
    }

    /// Whether the link is still up.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

const STEP: Duration = Duration::from_secs(10);
