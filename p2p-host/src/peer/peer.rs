//! One page's connection, from its offer to its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};
use webrtc::{data_channel::DataChannelEvent, peer_connection::RTCPeerConnectionState};
use wingman_link::{Closed, ControlLimit, Driver, Link};
use wingman_mux::{Config, HeartbeatConfig, Role};
use wingman_wire::{
    VERSION,
    code::{CloseCode, ResetCode},
    control,
    direct::{CHANNELS, CONTROL_CHANNEL, HostToPage, PageToHost},
    id::{PeerId, VisitorId},
    signal::{Body, Candidate, Description, Reason, State},
};

use super::{
    addresses,
    connection::{CLOSE_DEADLINE, Connection, News},
    endpoint::Endpoint,
    peers::Shared,
};
use crate::exchange::Via;

/// What a peer's task is told.
#[derive(Debug)]
pub(super) enum Command {
    /// The page offers: first of all, and again to restart ICE.
    Offer(String),
    /// One more address of the page.
    Candidate(Candidate),
}

/// What a peer's task is made of.
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) visitor: VisitorId,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Why it is to end, once it is.
    pub(super) stop: watch::Receiver<Option<Reason>>,
}

/// A peer with its connection. All of it runs in one task, so nothing waits for another thread or queue.
pub(super) struct Running {
    peer: PeerId,
    visitor: VisitorId,
    shared: Arc<Shared>,
    pub(super) connection: Connection,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) lanes: Vec<Lane>,
    /// The last message of the page, on whatever channel; none before there is one, for which there is time until the
    /// deadline of its hello.
    heard: Mutex<Option<Instant>>,
    exchanges: Mutex<JoinSet<()>>,
}

/// One channel.
pub(super) struct Lane {
    pub(super) driver: Driver,
    open: AtomicBool,
}

impl Lane {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }
}

impl Peer {
    /// Runs until the page goes away or the peer is to end; everything it used is free then.
    pub(super) async fn run(mut self) -> Reason {
        let (tell, news) = mpsc::channel(MAX_NEWS);
        let settings = &self.shared.settings;
        let endpoint = Endpoint::new(self.shared.port.clone());
        let stun_servers = self.shared.stun_servers();
        let connection = Connection::new(
            endpoint.clone(),
            &settings.certificate,
            addresses::local(settings.loopback),
            &stun_servers,
            tell,
        );
        let connection = match timeout(SETUP_DEADLINE, connection).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a direct path could not be set up");
                return Reason::Other;
            }
            Err(_) => return Reason::Timeout,
        };
        let lanes = (0..CHANNELS).map(|id| {
            let is_control = id == CONTROL_CHANNEL;
            let control = if is_control { FEW_WORDS } else { ControlLimit::NONE };
            let link = Link::with_control(mux_config(is_control), control);
            Lane { driver: Driver::new(link), open: AtomicBool::new(false) }
        });
        let running = Running {
            peer: self.id,
            visitor: self.visitor,
            shared: self.shared.clone(),
            connection,
            endpoint,
            lanes: lanes.collect(),
            heard: Mutex::new(None),
            exchanges: Mutex::new(JoinSet::new()),
        };
        let reason = running.run(&mut self.commands, news, &mut self.stop).await;
        tracing::debug!(peer = ?self.id, ?reason, "peer ended");
        running.end(reason).await;
        reason
    }
}

impl Running {
    async fn run(
        &self,
        commands: &mut mpsc::Receiver<Command>,
        news: mpsc::Receiver<News>,
        stop: &mut watch::Receiver<Option<Reason>>,
    ) -> Reason {
        let stopped = async {
            match stop.wait_for(Option::is_some).await {
                Ok(reason) => reason.unwrap_or(Reason::Other),
                Err(_) => Reason::Shutdown,
            }
        };
        tokio::select! {
            biased;
            reason = stopped => reason,
            reason = self.obey(commands) => reason,
            reason = self.pass_on(news) => reason,
            reason = self.read_all() => reason,
            reason = self.serve() => reason,
            reason = self.watch_time() => reason,
            reason = self.measure() => reason,
            reason = super::sender::run(self) => reason,
        }
    }

    /// Signaling from the page.
    async fn obey(&self, commands: &mut mpsc::Receiver<Command>) -> Reason {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Offer(sdp) => match self.connection.answer(sdp).await {
                    Ok(sdp) => {
                        let answer = Body::Answer(Description { sdp });
                        self.shared.outbox.send(self.peer, answer);
                    }
                    Err(error) => {
                        tracing::debug!(peer = ?self.peer, %error, "offer refused");
                        return Reason::Protocol;
                    }
                },
                Command::Candidate(candidate) => {
                    if let Err(error) = self.connection.add_candidate(candidate).await {
                        tracing::debug!(peer = ?self.peer, %error, "candidate not used");
                    }
                }
            }
        }
        // Its peers were dropped.
        Reason::Shutdown
    }

    /// Signaling to the page.
    async fn pass_on(&self, mut news: mpsc::Receiver<News>) -> Reason {
        while let Some(news) = news.recv().await {
            match news {
                News::Candidate(candidate) => {
                    self.shared.outbox.send(self.peer, Body::IceCandidate(candidate));
                }
                News::State(RTCPeerConnectionState::Failed) => return Reason::Ice,
                News::State(RTCPeerConnectionState::Closed) => return Reason::ChannelClosed,
                News::State(state) => tracing::debug!(peer = ?self.peer, %state, "connection"),
                News::Channel => return Reason::Protocol,
            }
        }
        Reason::ChannelClosed
    }

    /// Takes every message as soon as it comes: one channel that is not read would hold up all of them. What it
    /// brings is bounded by the mux's credit.
    async fn read_all(&self) -> Reason {
        tokio::select! {
            reason = self.read(0) => reason,
            reason = self.read(1) => reason,
            reason = self.read(2) => reason,
            reason = self.read(3) => reason,
        }
    }

    async fn read(&self, index: usize) -> Reason {
        let (Some(channel), Some(lane)) =
            (self.connection.channels.get(index), self.lanes.get(index))
        else {
            return std::future::pending().await;
        };
        loop {
            match channel.poll().await {
                Some(DataChannelEvent::OnMessage(message)) if !message.is_string => {
                    *self.heard.lock() = Some(Instant::now());
                    if let Err(error) = lane.driver.handle_message(message.data.freeze()) {
                        tracing::debug!(peer = ?self.peer, %error, "protocol broken");
                        return Reason::Protocol;
                    }
                }
                Some(DataChannelEvent::OnMessage(_)) => return Reason::Protocol,
                Some(DataChannelEvent::OnOpen) => {
                    lane.open.store(true, Ordering::Relaxed);
                    *self.heard.lock() = Some(Instant::now());
                    if index == usize::from(CONTROL_CHANNEL) {
                        self.greet();
                    }
                }
                Some(DataChannelEvent::OnClose | DataChannelEvent::OnError) | None => {
                    return Reason::ChannelClosed;
                }
                Some(_) => {}
            }
            // A page that sends without end must leave this thread to others.
            tokio::task::consume_budget().await;
        }
    }

    /// The host speaks first: what a page sends before this end has its channels is lost in `webrtc` 0.21.1,
    /// and the page's are open half a round trip earlier. It costs no time; the page answers.
    fn greet(&self) {
        let max_exchanges = self.shared.settings.max_exchanges;
        let visitor = Some(self.shared.runner.visitor_tag(self.visitor));
        self.say(&HostToPage::Hello { version: VERSION, max_exchanges, visitor });
    }

    /// Waits for the page's hello and runs its exchanges.
    async fn serve(&self) -> Reason {
        let Ok(hello) = timeout(SETUP_DEADLINE, self.next_control()).await else {
            return Reason::Timeout;
        };
        match hello {
            Some(PageToHost::Hello { version: VERSION }) => {}
            Some(PageToHost::Bye) => return Reason::PageGone,
            Some(PageToHost::Hello { .. }) | None => return Reason::Protocol,
        }
        self.shared.up(self.peer, self.endpoint.round_trip());
        let gone = async {
            match self.next_control().await {
                Some(PageToHost::Bye) => Reason::PageGone,
                Some(PageToHost::Hello { .. }) | None => Reason::Protocol,
            }
        };
        tokio::select! {
            reason = gone => reason,
            () = self.accept(0) => Reason::ChannelClosed,
            () = self.accept(1) => Reason::ChannelClosed,
            () = self.accept(2) => Reason::ChannelClosed,
            () = self.accept(3) => Reason::ChannelClosed,
        }
    }

    async fn next_control(&self) -> Option<PageToHost> {
        let json = self.control()?.control().await?;
        control::decode(&json).ok()
    }

    async fn accept(&self, index: usize) {
        let Some(lane) = self.lanes.get(index) else { return std::future::pending().await };
        while let Some(exchange) = lane.driver.link().accept().await {
            let mut exchanges = self.exchanges.lock();
            while exchanges.try_join_next().is_some() {}
            if exchanges.len() >= self.shared.settings.max_exchanges as usize {
                exchange.reset(ResetCode::Refused);
                continue;
            }
            let runner = self.shared.runner.clone();
            let via = Via::Peer { visitor: self.visitor };
            exchanges.spawn(async move { runner.run(exchange, via).await });
        }
    }

    /// Ends the peer when the page is silent. Any message on any channel is a sign of life: on a slow path a PONG
    /// may be behind an upload.
    async fn watch_time(&self) -> Reason {
        loop {
            let silent = self.heard.lock().unwrap_or_else(Instant::now) + SILENCE;
            let next = self.lanes.iter().map(|lane| lane.driver.poll_timeout()).min();
            sleep_until(next.unwrap_or(silent).min(silent).into()).await;
            if self.heard.lock().is_some_and(|heard| heard.elapsed() >= SILENCE) {
                return Reason::Silent;
            }
            for lane in &self.lanes {
                // They have no deadline of their own.
                let _ = lane.driver.handle_timeout();
            }
        }
    }

    /// Counts the round trip on the control channel after each of its pings. Never ends.
    async fn measure(&self) -> Reason {
        loop {
            sleep(PING_PERIOD).await;
            if let Some(round_trip) = self.control().and_then(|link| link.stats().round_trip) {
                self.shared.metrics().peer_round_trip.observe(round_trip);
            }
        }
    }

    fn control(&self) -> Option<&Link> {
        self.lanes.get(usize::from(CONTROL_CHANNEL)).map(|lane| lane.driver.link())
    }

    fn say(&self, message: &HostToPage) {
        if let (Some(link), Ok(json)) = (self.control(), control::encode(message)) {
            link.send_control(json);
        }
    }

    /// Says goodbye if there is somebody to hear it, and frees everything.
    async fn end(mut self, reason: Reason) {
        if !matches!(reason, Reason::PageGone | Reason::Silent | Reason::ChannelClosed) {
            self.say(&HostToPage::Bye { reason });
            if let Some(link) = self.control() {
                link.close(CloseCode::Ended, "");
            }
            tokio::select! {
                _ = super::sender::run(&self) => {}
                _ = self.read_all() => {}
                () = sleep(FAREWELL) => {}
            }
        }
        for lane in self.lanes.drain(..) {
            lane.driver.finish(Closed::Lost(format!("peer ended: {reason:?}")));
        }
        let _ = timeout(CLOSE_DEADLINE, self.connection.close()).await;
        // Without their carrier exchanges end by themselves; dropping the set makes sure.
        let mut exchanges = std::mem::take(&mut *self.exchanges.lock());
        let all = async { while exchanges.join_next().await.is_some() {} };
        let _ = timeout(CLOSE_DEADLINE, all).await;
        if reason != Reason::PageGone {
            let state = if reason == Reason::Ice { State::Failed } else { State::Closed };
            self.shared.outbox.refuse(self.peer, state, reason);
        }
    }
}

fn mux_config(is_control: bool) -> Config {
    Config {
        max_streams: MAX_STREAMS,
        max_opened_per_second: MAX_OPENED_PER_SECOND,
        max_head: MAX_HEAD,
        growth_budget: GROWTH_BUDGET,
        heartbeat: HeartbeatConfig {
            // The control channel asks for all of them, and the peer as a whole has a deadline.
            period: if is_control { PING_PERIOD } else { NEVER },
            deadline: NEVER,
        },
        ..Config::new(Role::Acceptor)
    }
}

/// From the offer to the page's hello.
const SETUP_DEADLINE: Duration = Duration::from_secs(30);
/// Without a single message of the page, after which it is taken for gone.
const SILENCE: Duration = Duration::from_secs(10);
const PING_PERIOD: Duration = Duration::from_secs(4);
const NEVER: Duration = Duration::MAX;
/// For the last words to leave.
const FAREWELL: Duration = Duration::from_millis(500);
/// Local candidates and changes of state that wait to be passed on.
const MAX_NEWS: usize = 64;
/// Of one channel. A page's browser has six connections to an origin, a worker a few dozen requests at once.
const MAX_STREAMS: usize = 64;
/// Of one channel. A page asks for some hundred small things in a second.
const MAX_OPENED_PER_SECOND: u32 = 2_000;
const MAX_HEAD: usize = 64 * 1024;
/// Of the control channel: hello and bye, read as they come. The lanes have none, and nobody who would read them.
const FEW_WORDS: ControlLimit = ControlLimit { messages: 8, bytes: 4 * 1024 };
/// Of one channel: one fast upload at once; the others have the first window.
const GROWTH_BUDGET: usize = 4 * 1024 * 1024;
