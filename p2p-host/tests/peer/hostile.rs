//! Pages that mean ill hurt only themselves: beside each of them another page of the same host is served.

use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use rtc::peer_connection::configuration::RTCOfferOptions;
use tokio::{net::UdpSocket, time::timeout};
use wingman_mux::Incoming;
use wingman_wire::{
    VERSION,
    code::ResetCode,
    control,
    direct::{HostToPage, PageToHost},
    frame::{Flags, Frame, StreamId},
    id::VisitorId,
    signal::{Body, Candidate, Description, Reason},
};

use crate::{
    connect::hello,
    page::{Page, request},
    stage::Stage,
};

/// The hostile page loses its peer; the good one does not notice.
async fn ends_as(stage: &Stage, bad: &Page, good: &Page, reason: Reason) {
    assert_eq!(bad.state().await.reason, Some(reason));
    stage.has_peers(1).await;
    assert_eq!(good.get(1, "/hello").await, hello());
}

#[tokio::test]
async fn what_is_no_frame_ends_the_peer() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    let garbage: [&[u8]; 4] =
        [b"\0", b"garbage that is longer than a frame's head", &[255; 65_000], &[0; 8]];
    for (lane, message) in garbage.into_iter().enumerate() {
        let bad = stage.connected().await;
        bad.channels[lane].send(BytesMut::from(message)).await.expect("sends");
        assert_eq!(bad.hear().await, Some(HostToPage::Bye { reason: Reason::Protocol }));
        ends_as(&stage, &bad, &good, Reason::Protocol).await;
    }
}

#[tokio::test]
async fn text_and_control_messages_that_make_no_sense_end_the_peer() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    let bad = stage.connected().await;
    bad.channels[2].send_text("hello").await.expect("sends");
    ends_as(&stage, &bad, &good, Reason::Protocol).await;

    let bad = stage.connected().await;
    bad.say(&PageToHost::Hello { version: VERSION });
    ends_as(&stage, &bad, &good, Reason::Protocol).await;

    let bad = stage.connected().await;
    bad.links[0].send_control(br#"{"type":"of tomorrow"}"#.to_vec());
    ends_as(&stage, &bad, &good, Reason::Protocol).await;

    // On a lane nobody would read it.
    let bad = stage.connected().await;
    let hello = control::encode(&PageToHost::Hello { version: VERSION }).expect("encodes");
    bad.links[3].send_control(hello);
    ends_as(&stage, &bad, &good, Reason::Protocol).await;
}

#[tokio::test]
async fn a_channel_that_was_not_agreed_on_ends_the_peer() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    let bad = stage.connected().await;
    bad.connection.create_data_channel("more", None).await.expect("a channel");
    ends_as(&stage, &bad, &good, Reason::Protocol).await;
}

#[tokio::test]
async fn endless_streams_are_refused() {
    let stage = Stage::with(|settings| settings.max_exchanges = 40).await;
    let good = stage.connected().await;
    let bad = stage.connected().await;
    let open = |count: usize, lane: usize| {
        let exchanges = (0..count).map(|_| bad.open(lane, "GET", "/slow", true));
        exchanges.collect::<Vec<_>>()
    };
    let running = open(40, 1);
    // In order on its lane: when it is refused, the others run.
    assert_eq!(bad.get(1, "/hello").await, Err(ResetCode::Refused));
    let refused = open(20, 2);
    for exchange in &refused {
        let first = timeout(Duration::from_secs(10), exchange.read()).await.expect("an answer");
        assert!(matches!(first, Some(Incoming::Reset(ResetCode::Refused))), "{first:?}");
    }
    assert_eq!(good.get(2, "/hello").await, hello());
    drop(running);
    // Far more at once than the host allows, in spite of what it said.
    let mut flood = BytesMut::new();
    for id in 0..1_000_u32 {
        let flags = Flags(Flags::END);
        let open =
            Frame::Open { stream: StreamId(id * 2 + 1), flags, head: request("GET", "/slow") };
        open.put(&mut flood);
        if flood.len() > 60_000 {
            bad.channels[3].send(flood.split()).await.expect("sends");
        }
    }
    assert_eq!(good.get(1, "/hello").await, hello());
    bad.say(&PageToHost::Bye);
    stage.has_peers(1).await;
    assert_eq!(good.get(1, "/hello").await, hello());
}

#[tokio::test]
async fn who_grants_no_credit_gets_one_window_and_holds_up_nobody() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    let bad = stage.connected().await;
    let unread: Vec<_> =
        (0..30).map(|index| bad.open(index % 4, "GET", "/bytes/50000000", true)).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for lane in 0..4 {
        assert_eq!(good.get(lane, "/hello").await, hello());
        assert_eq!(bad.get(lane, "/hello").await, hello(), "credit is per stream");
    }
    drop(unread);
}

#[tokio::test]
async fn who_never_reads_holds_up_nobody() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    // Its channels are open, but nobody takes what comes: SCTP's window closes. Pages of one visitor share a limit.
    let bad = stage.page_of(VisitorId::from_bits(2)).await;
    bad.open_channels().await;
    let mut bad = bad;
    bad.stop_reading();
    let mut out = BytesMut::new();
    let hello_message = control::encode(&PageToHost::Hello { version: VERSION }).expect("encodes");
    Frame::Control(hello_message.into()).put(&mut out);
    bad.channels[0].send(out.split()).await.expect("sends");
    for lane in 1..4 {
        for id in 0..60_u32 {
            let flags = Flags(Flags::END);
            let head = request("GET", "/bytes/10000000");
            let stream = StreamId(id * 2 + 1);
            Frame::Open { stream, flags, head }.put(&mut out);
            Frame::Credit { stream, bytes: 10_000_000 }.put(&mut out);
        }
        bad.channels[lane].send(out.split()).await.expect("sends");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for lane in 0..4 {
        assert_eq!(good.get(lane, "/hello").await, hello());
    }
    // It still pings, so it is not silent for now; it ends when it stops to.
    assert_eq!(stage.peers.len(), 2);
    stage.has_peers(1).await;
    assert_eq!(good.get(1, "/hello").await, hello());
}

#[tokio::test]
async fn a_flood_of_small_messages_leaves_room_for_others() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    let bad = stage.connected().await;
    let mut pings = BytesMut::new();
    while pings.len() < 16_000 {
        Frame::Ping(7).put(&mut pings);
    }
    let flood = async {
        loop {
            if bad.channels[1].send(pings.clone()).await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    let served = async {
        for _ in 0..20 {
            assert_eq!(good.get(1, "/hello").await, hello());
        }
    };
    tokio::select! {
        () = flood => {}
        served = timeout(Duration::from_secs(20), served) => served.expect("in time"),
    }
}

#[tokio::test]
async fn signaling_that_makes_no_sense_is_survived() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    for sdp in ["", "v=0", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"] {
        let bad = stage.page().await;
        bad.signal(Body::Offer(Description { sdp: sdp.into() }));
        ends_as(&stage, &bad, &good, Reason::Protocol).await;
    }
    let bad = stage.page().await;
    let candidate = |text: String| {
        Body::IceCandidate(Candidate { candidate: text, sdp_mid: None, sdp_m_line_index: Some(9) })
    };
    for number in 0..1_000 {
        bad.signal(candidate(format!("candidate:nonsense {number}")));
    }
    assert_eq!(bad.connect().await, 128, "nonsense before the offer does not matter");
    for number in 0..1_000 {
        bad.signal(candidate(format!("candidate:1 1 udp 1 192.0.2.1 {number} typ host")));
    }
    ends_as(&stage, &bad, &good, Reason::Protocol).await;
    // Nobody has opened a socket for this one.
    let mut unknown = BytesMut::new();
    unknown.put_u8(1);
    assert_eq!(stage.peers.len(), 1);
}

/// Sockets of people who have nothing to do with it.
struct Strangers(Vec<UdpSocket>);

impl Strangers {
    async fn new() -> Self {
        let mut sockets = Vec::new();
        for _ in 0..60 {
            sockets.push(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
        }
        Self(sockets)
    }

    fn candidates(&self) -> Vec<String> {
        let ports = self.0.iter().map(|socket| socket.local_addr().expect("an address").port());
        ports.map(|port| format!("candidate:1 1 udp 1 127.0.0.1 {port} typ host")).collect()
    }

    /// Waits until as many are hit as may be, and a while longer.
    async fn are_few(&self) {
        let mut hit = vec![false; self.0.len()];
        let mut buffer = [0; 2_048];
        let mut until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            for (socket, hit) in self.0.iter().zip(&mut hit) {
                let got = socket.try_recv(&mut buffer).is_ok();
                if got && !std::mem::replace(hit, true) {
                    // All pairs are checked each 20 ms.
                    until = Instant::now() + Duration::from_millis(500);
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(hit.iter().filter(|hit| **hit).count(), 16);
    }
}

#[tokio::test]
async fn the_host_checks_few_addresses_whoever_the_page_names() {
    let stage = Stage::new().await;
    let bad = stage.page().await;
    // It names the half of them in its offer, the others later; it begins anew when it was not enough.
    for restart in [false, true] {
        let strangers = Strangers::new().await;
        let candidates = strangers.candidates();
        let (offered, later) = candidates.split_at(30);
        let options = RTCOfferOptions { ice_restart: restart };
        let offer = bad.connection.create_offer(Some(options)).await.expect("an offer");
        let own = offer.sdp.lines().filter(|line| !line.starts_with("a=candidate:"));
        let named = offered.iter().map(|candidate| format!("a={candidate}"));
        let sdp = own.map(str::to_owned).chain(named).collect::<Vec<_>>().join("\r\n") + "\r\n";
        bad.connection.set_local_description(offer).await.expect("set");
        bad.signal(Body::Offer(Description { sdp }));
        for candidate in later {
            let (candidate, sdp_m_line_index) = (candidate.clone(), Some(0));
            bad.signal(Body::IceCandidate(Candidate {
                candidate,
                sdp_mid: None,
                sdp_m_line_index,
            }));
        }
        strangers.are_few().await;
    }
}

#[tokio::test]
async fn a_page_cannot_have_others_flooded_with_checks() {
    let stage = Stage::new().await;
    let good = stage.connected().await;
    let bad = stage.page().await;
    bad.offer(false).await;
    let mut victims = Vec::new();
    for _ in 0..40 {
        let victim = UdpSocket::bind("127.0.0.1:0").await.expect("UDP");
        let port = victim.local_addr().expect("bound").port();
        bad.signal(Body::IceCandidate(Candidate {
            candidate: format!("candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host"),
            sdp_mid: Some("0".into()),
            sdp_m_line_index: Some(0),
        }));
        victims.push(victim);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let count = |victim: &UdpSocket| {
        let mut buffer = [0; 2_000];
        std::iter::from_fn(|| victim.try_recv(&mut buffer).ok()).count()
    };
    let checks: usize = victims.iter().map(count).sum();
    assert!(checks >= 16, "they are checked: {checks}");
    // 400 at once, then 200 in a second; without any bound it would be 40 times 50 in a second.
    assert!(checks <= 400 + 200 * 3, "{checks} datagrams in two seconds");
    assert_eq!(good.get(1, "/hello").await, hello());
}
