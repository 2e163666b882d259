//! What a browser's page would be.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use rtc::{
    ice::mdns::MulticastDnsMode,
    peer_connection::{configuration::RTCOfferOptions, transport::RTCIceCandidateInit},
};
use tokio::{
    sync::{Mutex, Notify, mpsc},
    task::JoinSet,
    time::timeout,
};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCPeerConnectionIceEvent, RTCSessionDescription, SettingEngineBuilder,
    },
};
use wingman_link::{Closed, Driver, Exchange, Link, Transmit};
use wingman_mux::{Config, Incoming, Role};
use wingman_wire::{
    VERSION,
    code::ResetCode,
    control,
    direct::{CHANNEL_LABEL, CHANNELS, HostToPage, PageToHost},
    head::{self, RequestHead, ResponseHead, Scheme},
    id::PeerId,
    signal::{Body, Candidate, ConnectionState, Description},
};

use crate::network::Network;

/// Of one message on a data channel, as pages send them.
const LARGEST: usize = 64 * 1024;

/// One page with its connection; dropping it is what closing a tab without a word is.
pub(crate) struct Page {
    pub(crate) id: PeerId,
    pub(crate) connection: Arc<dyn PeerConnection>,
    pub(crate) channels: Vec<Arc<dyn DataChannel>>,
    pub(crate) links: Vec<Link>,
    pub(crate) states: Mutex<mpsc::Receiver<ConnectionState>>,
    answers: Mutex<mpsc::Receiver<String>>,
    /// The host's candidates.
    candidates: Candidates,
    signal: Signal,
    opened: Arc<Notify>,
    tasks: JoinSet<()>,
}

type Candidates = Arc<parking_lot::Mutex<Vec<String>>>;

type Signal = Arc<dyn Fn(Body) + Send + Sync>;

/// A whole response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content: Bytes,
}

impl Page {
    pub(crate) async fn new(
        network: Network,
        id: PeerId,
        inbox: mpsc::Receiver<Body>,
        signal: impl Fn(Body) + Send + Sync + 'static,
    ) -> Self {
        let signal: Signal = Arc::new(signal);
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), Some(200))
            // As browsers do: the first pair that works is taken.
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            .build();
        let address: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let connection = PeerConnectionBuilder::new()
            .with_setting_engine(settings)
            .with_runtime(Arc::new(network))
            .with_handler(Arc::new(Trickle(signal.clone())))
            .with_udp_addrs(vec![address])
            .with_data_channel_send_buffer_limit(256 * 1024)
            .build()
            .await
            .expect("a connection");
        let mut channels = Vec::new();
        let mut links = Vec::new();
        let mut tasks = JoinSet::new();
        let opened = Arc::new(Notify::new());
        for id in 0..CHANNELS {
            let options = RTCDataChannelInit {
                protocol: CHANNEL_LABEL.into(),
                negotiated: Some(id),
                ..RTCDataChannelInit::default()
            };
            let channel = connection
                .create_data_channel(CHANNEL_LABEL, Some(options))
                .await
                .expect("a channel");
            let link = Link::new(Config::new(Role::Opener));
            tasks.spawn(drive(channel.clone(), link.clone(), opened.clone()));
            channels.push(channel);
            links.push(link);
        }
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let (tell_state, states) = mpsc::channel(1_024);
        let (tell_answer, answers) = mpsc::channel(1_024);
        let candidates = Candidates::default();
        tasks.spawn(listen(connection.clone(), inbox, candidates.clone(), tell_answer, tell_state));
        let (states, answers) = (Mutex::new(states), Mutex::new(answers));
        Self { id, connection, channels, links, states, answers, candidates, signal, opened, tasks }
    }

    /// Says something to the host.
    pub(crate) fn signal(&self, body: Body) {
        (self.signal)(body);
    }

    /// Offers; `restart`: of a connection that is there, for new addresses.
    pub(crate) async fn offer(&self, restart: bool) {
        let options = RTCOfferOptions { ice_restart: restart };
        let offer = self.connection.create_offer(Some(options)).await.expect("an offer");
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(offer).await.expect("set");
        self.signal(Body::Offer(Description { sdp }));
    }

    /// The host's next answer.
    pub(crate) async fn answer(&self) -> String {
        let answer = async { self.answers.lock().await.recv().await };
        timeout(DEADLINE, answer).await.expect("an answer in time").expect("the host")
    }

    /// Which ports the host has offered.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let candidates = self.candidates.lock();
        let words = candidates.iter().filter_map(|candidate| candidate.split(' ').nth(5));
        words.map(|port| port.parse().expect("a port")).collect()
    }

    /// From now on nobody takes what the host sends.
    pub(crate) fn stop_reading(&mut self) {
        self.tasks.abort_all();
    }

    /// Until the host has said hello; the page has not. Gives the host's limit of exchanges.
    pub(crate) async fn open_channels(&self) -> u32 {
        match self.greeted().await {
            Some(HostToPage::Hello { version: VERSION, max_exchanges, .. }) => max_exchanges,
            other => panic!("no hello but {other:?}"),
        }
    }

    /// The first word of the host.
    pub(crate) async fn greeted(&self) -> Option<HostToPage> {
        self.offer(false).await;
        timeout(DEADLINE, self.opened.notified()).await.expect("channels in time");
        self.hear().await
    }

    /// Until the direct path is up.
    pub(crate) async fn connect(&self) -> u32 {
        let max_exchanges = self.open_channels().await;
        self.say(&PageToHost::Hello { version: VERSION });
        max_exchanges
    }

    pub(crate) fn say(&self, message: &PageToHost) {
        self.links[0].send_control(control::encode(message).expect("encodes"));
    }

    pub(crate) async fn hear(&self) -> Option<HostToPage> {
        let json = timeout(DEADLINE, self.links[0].control()).await.expect("a word in time")?;
        Some(control::decode(&json).expect("a control message"))
    }

    /// The next connection state that the host tells by signaling.
    pub(crate) async fn state(&self) -> ConnectionState {
        let state = async { self.states.lock().await.recv().await };
        timeout(DEADLINE, state).await.expect("a state in time").expect("the host")
    }

    /// Opens a request on a lane.
    pub(crate) fn open(&self, lane: usize, method: &str, target: &str, end: bool) -> Exchange {
        self.links[lane].open(request(method, target), end).expect("opens")
    }

    pub(crate) async fn get(&self, lane: usize, target: &str) -> Result<Answer, ResetCode> {
        receive(&self.open(lane, "GET", target, true)).await
    }

    pub(crate) async fn post(
        &self,
        lane: usize,
        target: &str,
        content: impl Iterator<Item = Bytes>,
    ) -> Result<Answer, ResetCode> {
        let exchange = self.open(lane, "POST", target, false);
        for mut piece in content {
            timeout(DEADLINE, exchange.send_data(&mut piece))
                .await
                .expect("credit")
                .expect("sends");
        }
        exchange.finish(Bytes::new()).expect("finishes");
        receive(&exchange).await
    }
}

/// The head of a request as a page makes it.
pub(crate) fn request(method: &str, target: &str) -> Bytes {
    let mut out = BytesMut::new();
    RequestHead::put(
        &mut out,
        method.as_bytes(),
        Scheme::Http,
        b"s.localhost:8080",
        target.as_bytes(),
    );
    // A page that gives an id sends no more than 1 MiB; the bulk of these tests is more.
    if method != "POST" {
        let id = format!("{:032x}", rand::random::<u128>());
        head::put_field(&mut out, b"wingman-request-id", id.as_bytes());
    }
    // Cookies have tests of their own.
    head::put_field(&mut out, b"wingman-credentials", b"omit");
    out.freeze()
}

/// Reads a response to its end.
pub(crate) async fn receive(exchange: &Exchange) -> Result<Answer, ResetCode> {
    let mut answer = Answer { status: 0, content: Bytes::new() };
    let mut content = BytesMut::new();
    loop {
        let item = timeout(DEADLINE, exchange.read()).await.expect("something in time");
        match item.expect("the channel") {
            Incoming::Head { head, interim, .. } => {
                if !interim {
                    answer.status = ResponseHead::decode(head).expect("a head").status;
                }
            }
            Incoming::Data(data) => content.extend_from_slice(&data),
            Incoming::Finish { .. } => {
                answer.content = content.freeze();
                return Ok(answer);
            }
            Incoming::Reset(code) => return Err(code),
        }
    }
}

/// The owner of a channel: messages in and out.
async fn drive(channel: Arc<dyn DataChannel>, link: Link, opened: Arc<Notify>) {
    let driver = Driver::new(link);
    let is_open = Notify::new();
    let read = async {
        while let Some(event) = channel.poll().await {
            match event {
                DataChannelEvent::OnOpen => {
                    opened.notify_one();
                    is_open.notify_one();
                }
                DataChannelEvent::OnMessage(message) => {
                    driver
                        .handle_message(message.data.freeze())
                        .expect("the host keeps to the rules");
                }
                _ => {}
            }
        }
    };
    let write = async {
        is_open.notified().await;
        loop {
            match std::future::poll_fn(|context| driver.poll_transmit(context, LARGEST)).await {
                Transmit::Message(message) => {
                    if channel.send(message).await.is_err() {
                        return;
                    }
                }
                Transmit::Close(..) => return,
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
    driver.finish(Closed::Lost("channel".into()));
}

async fn listen(
    connection: Arc<dyn PeerConnection>,
    mut inbox: mpsc::Receiver<Body>,
    candidates: Candidates,
    tell_answer: mpsc::Sender<String>,
    tell_state: mpsc::Sender<ConnectionState>,
) {
    while let Some(body) = inbox.recv().await {
        match body {
            Body::Answer(Description { sdp }) => {
                let told = sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
                candidates.lock().extend(told.map(str::to_owned));
                let _ = tell_answer.try_send(sdp.clone());
                let answer = RTCSessionDescription::answer(sdp).expect("an answer");
                connection.set_remote_description(answer).await.expect("set");
            }
            Body::IceCandidate(candidate) => {
                if !candidate.candidate.is_empty() {
                    candidates.lock().push(candidate.candidate.clone());
                }
                let init = RTCIceCandidateInit {
                    candidate: candidate.candidate,
                    sdp_mid: candidate.sdp_mid,
                    sdp_mline_index: candidate.sdp_m_line_index,
                    ..RTCIceCandidateInit::default()
                };
                connection.add_ice_candidate(init).await.expect("added");
            }
            Body::ConnectionState(state) => {
                let _ = tell_state.try_send(state);
            }
            Body::Offer(_) => panic!("hosts do not offer"),
        }
    }
}

/// Candidates as a browser signals them: behind a name that nobody else can resolve.
struct Trickle(Signal);

#[async_trait]
impl PeerConnectionEventHandler for Trickle {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let init = event.candidate.to_json().expect("a candidate");
        (self.0)(Body::IceCandidate(Candidate {
            candidate: init
                .candidate
                .replace("127.0.0.1", "4c1fd9cc-2b2f-4b8f-9b7b-0f3b8f4b9c11.local"),
            sdp_mid: Some("0".into()),
            sdp_m_line_index: Some(0),
        }));
    }
}

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);
