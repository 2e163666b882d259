//! A network that can be cut between host and edge.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards connections from a port of its own to another one.
pub(crate) struct Cable {
    port: u16,
    /// Connections made before the last cut carry nothing any more.
    cuts: watch::Sender<u32>,
}

impl Cable {
    pub(crate) async fn to(port: u16) -> Self {
        Self::at("127.0.0.1", port).await
    }

    /// Its own port is of this address.
    pub(crate) async fn at(address: &str, port: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a port");
        let cuts = watch::Sender::new(0);
        let cable =
            Self { port: listener.local_addr().expect("is bound").port(), cuts: cuts.clone() };
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(forward(near, port, cuts.subscribe()));
            }
        });
        cable
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Swallows everything on the connections there are, without closing them: neither end is told.
    /// New connections work.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn forward(near: TcpStream, port: u16, mut cuts: watch::Receiver<u32>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let both = async {
        let up = async {
            let _ = tokio::io::copy(&mut from_near, &mut to_far).await;
            let _ = to_far.shutdown().await;
        };
        let down = async {
            let _ = tokio::io::copy(&mut from_far, &mut to_near).await;
            let _ = to_near.shutdown().await;
        };
        tokio::join!(up, down)
    };
    tokio::select! {
        _ = both => return,
        _ = cuts.changed() => {}
    }
    // Reading on keeps senders from noticing by a full window; what they send is gone.
    let swallow = async |from: &mut tokio::net::tcp::OwnedReadHalf| {
        let mut waste = [0; 4096];
        while from.read(&mut waste).await.is_ok_and(|length| length > 0) {}
        std::future::pending::<()>().await;
    };
    tokio::join!(swallow(&mut from_near), swallow(&mut from_far));
}
