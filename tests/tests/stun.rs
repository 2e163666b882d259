//! STUN at the edge: the server that pages are told of tells them their address.

use std::{net::SocketAddr, time::Duration};

use tokio::net::UdpSocket;
use wingman_tests::{EdgeOptions, Program, Signal, free_port, soon, until};

const REQUEST: [u8; 20] =
    [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Two ports that are free for UDP.
async fn free() -> [SocketAddr; 2] {
    let sockets = [
        UdpSocket::bind("127.0.0.1:0").await.expect("a port"),
        UdpSocket::bind("[::1]:0").await.expect("a port"),
    ];
    sockets.map(|socket| socket.local_addr().expect("is bound"))
}

fn edge(listen: &[SocketAddr]) -> EdgeOptions {
    let listen: Vec<_> = listen.iter().map(ToString::to_string).collect();
    EdgeOptions::default().set("stun.listen", &listen.join(","))
}

async fn ask(server: SocketAddr, request: &[u8]) -> (SocketAddr, Vec<u8>) {
    let own = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(own).await.expect("a port");
    socket.connect(server).await.expect("an address");
    socket.send(request).await.expect("is sent");
    let mut answer = [0; 1500];
    let length = soon(socket.recv(&mut answer)).await.expect("an answer");
    (socket.local_addr().expect("is bound"), answer[..length].to_vec())
}

#[tokio::test]
async fn both_families_are_answered_and_counted() {
    let [v4, v6] = free().await;
    let edge = edge(&[v4, v6]).start().await;
    for server in [v4, v6] {
        let (own, answer) = ask(server, &REQUEST).await;
        assert_eq!(answer[..2], [1, 1], "success");
        assert_eq!(answer[4..20], REQUEST[4..]);
        let port = u16::from_be_bytes([answer[26] ^ 0x21, answer[27] ^ 0x12]);
        assert_eq!(port, own.port());
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    for bad in [&REQUEST[..19], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 2000]] {
        socket.send_to(bad, v4).await.expect("is sent");
    }
    until("it is counted", Duration::from_secs(5), async || {
        edge.metrics().await.get("stun_requests_total{outcome=\"malformed\"}") == 3.0
    })
    .await;
    let metrics = edge.metrics().await;
    assert_eq!(metrics.get("stun_requests_total{outcome=\"answered\"}"), 2.0);
    assert_eq!(metrics.sum("stun_requests_total"), 5.0);
}

#[tokio::test]
async fn a_flood_is_limited_and_the_edge_serves_on() {
    let [v4, v6] = free().await;
    let edge = edge(&[v4, v6]).start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    for round in 0..100 {
        for _ in 0..100 {
            socket.send_to(&REQUEST, v4).await.expect("is sent");
        }
        if round % 10 == 0 {
            // Others are answered all the while.
            ask(v6, &REQUEST).await;
            edge.metrics().await;
        }
    }
    let metrics = edge.metrics().await;
    assert!(metrics.get("stun_requests_total{outcome=\"limited\"}") > 1_000.0);
    assert!(metrics.get("stun_requests_total{outcome=\"answered\"}") < 5_000.0);
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start_and_shutdown_frees_it() {
    let [v4, _] = free().await;
    let mut first = edge(&[v4]).start().await;
    let listen = format!("127.0.0.1:{}", free_port());
    let mut second = Program::start("wingman-edge", |command| {
        command.args(["--dev", "--listen", &listen, "--metrics", "off"]);
        command.args(["--stun", &v4.to_string()]);
    });
    second.ended(Duration::from_secs(10)).await;
    let said = format!("cannot listen on {v4}");
    until("it says why", Duration::from_secs(5), async || second.log().contains(&said)).await;
    first.signal(Signal::Terminate);
    first.program().ended(Duration::from_secs(10)).await;
    UdpSocket::bind(v4).await.expect("the port is free");
}
