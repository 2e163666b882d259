//! WebSockets: an origin that echoes, and visitors that idle.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// An origin that sends every message back. Dropping it ends all its connections.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Echo {
    /// Listens on a free port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(serve(listener)) })
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(echo(stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn echo(stream: TcpStream) {
    let shake = accept_async_with_config(stream, Some(config()));
    // What comes to see whether somebody listens says nothing.
    let Ok(Ok(mut socket)) = timeout(STEP, shake).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// A visitor's WebSocket.
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one through the peer at `address` and sees that it echoes.
    ///
    /// # Errors
    /// It cannot be opened, or does not echo in time.
    pub async fn open(address: SocketAddr, host: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let shake = client_async_with_config(format!("ws://{host}/"), stream, Some(config()));
        let (socket, _) = timeout(STEP, shake).await.context("no WebSocket in time")??;
        let mut socket = Self(socket);
        socket.echoes().await?;
        Ok(socket)
    }

    /// Sends a message and waits for it to come back.
    ///
    /// # Errors
    /// It does not, in time.
    pub async fn echoes(&mut self) -> Result<()> {
        let message = Message::text("are you there?");
        self.0.send(message.clone()).await?;
        let answer = timeout(STEP, self.0.next()).await.context("no echo in time")?;
        let answer = answer.context("closed instead of an echo")??;
        ensure!(answer == message, "another message came back");
        Ok(())
    }
}

/// Small buffers: a thousand of each end live in this process.
fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0)
}

const STEP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_echo_comes_back_more_than_once() {
        let echo = Echo::start().await.unwrap();
        let mut socket = Socket::open(echo.address(), "a.localhost").await.unwrap();
        socket.echoes().await.unwrap();
    }

    #[tokio::test]
    async fn a_socket_whose_origin_went_does_not_echo() {
        let echo = Echo::start().await.unwrap();
        let mut socket = Socket::open(echo.address(), "a.localhost").await.unwrap();
        drop(echo);
        assert!(socket.echoes().await.is_err());
    }
}
