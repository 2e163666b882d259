//! The host with its peers, and an edge that only passes on signaling.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{io::duplex, sync::mpsc, task::JoinSet};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role as WebSocketRole};
use wingman_host::{
    exchange::{HostHeader, Runner, Service},
    origin::{Client, Options},
    peer::{Certificate, Peers, Settings},
    status::{self, Reporter, Style, Terminal},
};
use wingman_link::{Link, drive, websocket_config};
use wingman_mux::{Config, Role};
use wingman_wire::{
    control::{self, HostToEdge},
    id::{PeerId, VisitorId},
    signal::{Body, From, Signal},
};

use crate::{network::Network, origin, page::Page};

/// What the host says to pages, by page.
type Mailboxes = Arc<Mutex<HashMap<PeerId, mpsc::Sender<Body>>>>;

/// A host, its origin and an edge.
pub(crate) struct Stage {
    pub(crate) peers: Peers,
    mailboxes: Mailboxes,
    next: AtomicU64,
    tasks: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings that differ.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        // For a look: RUST_LOG=wingman_host=debug,webrtc=debug
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let mut settings = Settings {
            certificate: Certificate::fresh().expect("a certificate"),
            loopback: true,
            stun_servers: Vec::new(),
            max_peers: 64,
            max_peers_of_visitor: 64,
            max_exchanges: 128,
        };
        change(&mut settings);
        let address = origin::start().await;
        let target = format!("localhost:{}", address.port()).parse().expect("a target");
        let client = Client::new(target, Options::default()).expect("a client");
        let service = Service::new(client, HostHeader::Origin);
        let runner = Arc::new(Runner::new(service, address.to_string(), reporter()));
        runner.set_public_url("http://s.localhost:8080");
        let peers = Peers::start(settings, runner, reporter()).expect("UDP");
        let mut stage = Self {
            peers,
            mailboxes: Mailboxes::default(),
            next: AtomicU64::new(1),
            tasks: JoinSet::new(),
        };
        stage.link().await;
        stage
    }

    /// A new link; an old one is lost.
    pub(crate) async fn link(&mut self) {
        self.tasks.abort_all();
        let (host_end, edge_end) = duplex(256 * 1024);
        let config = Some(websocket_config());
        let host_end =
            WebSocketStream::from_raw_socket(host_end, WebSocketRole::Client, config).await;
        let edge_end =
            WebSocketStream::from_raw_socket(edge_end, WebSocketRole::Server, config).await;
        let host = Link::new(Config::new(Role::Acceptor));
        let edge = Link::new(Config::new(Role::Opener));
        self.peers.attach(host.clone(), "s".into(), Vec::new());
        let mailboxes = self.mailboxes.clone();
        self.tasks.spawn(async move {
            drive(host_end, host).await;
        });
        let listening = edge.clone();
        self.tasks.spawn(async move {
            drive(edge_end, edge).await;
        });
        self.tasks.spawn(async move {
            while let Some(json) = listening.control().await {
                match control::decode(&json).expect("a control message") {
                    HostToEdge::Signaling { peer, message } => {
                        assert_eq!((message.from, message.session_id.as_str()), (From::Host, "s"));
                        if let Some(mailbox) = mailboxes.lock().get(&peer) {
                            let _ = mailbox.try_send(message.body);
                        }
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
        });
    }

    /// The link is gone, as the host sees it.
    pub(crate) fn lose_link(&mut self) {
        self.tasks.abort_all();
        self.peers.detach();
    }

    /// A page that has its signaling socket, and nothing else.
    pub(crate) async fn page(&self) -> Page {
        self.page_of(VisitorId::from_bits(1)).await
    }

    pub(crate) async fn page_of(&self, visitor: VisitorId) -> Page {
        self.page_on(Network::default(), visitor).await
    }

    pub(crate) async fn page_on(&self, network: Network, visitor: VisitorId) -> Page {
        let id = PeerId::from_bits(u128::from(self.next.fetch_add(1, Ordering::Relaxed)) << 64 | 7);
        let (mailbox, inbox) = mpsc::channel(1_024);
        self.mailboxes.lock().insert(id, mailbox);
        self.peers.opened(id, visitor);
        let peers = self.peers.clone();
        Page::new(network, id, inbox, move |body| {
            let message = Signal { session_id: "s".into(), from: From::Client, body };
            peers.signal(id, message);
        })
        .await
    }

    /// A page that is up.
    pub(crate) async fn connected(&self) -> Page {
        let page = self.page().await;
        page.connect().await;
        page
    }

    /// Waits until there are so many peers.
    pub(crate) async fn has_peers(&self, count: usize) {
        let wait = async {
            while self.peers.len() != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(waited.is_ok(), "{} peers instead of {count}", self.peers.len());
    }
}

fn reporter() -> Reporter {
    let terminal = Terminal::default();
    let options = status::Options { style: Style::Json, qr: false, log_query: false, terminal };
    Reporter::start(options).expect("a reporter")
}
