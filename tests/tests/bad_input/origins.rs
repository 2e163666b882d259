//! Origins that refuse, hang up, keep silent or talk nonsense.

use std::time::{Duration, Instant};

use wingman_tests::{EdgeOptions, HostOptions, Origin, OriginConnection, Share, soon};

use super::stage::{error, settled};

/// Answers with the bytes that `answer` has for the target, then closes; anything else gets `good`.
async fn scripted(answers: &'static [(&'static str, &'static [u8])]) -> Share {
    Share::of(move |mut connection| async move {
        while let Some(head) = connection.request().await {
            let scripted = answers.iter().find(|(target, _)| *target == head.target());
            match scripted {
                Some((_, answer)) => {
                    // wingman may hang up before it has read all of it.
                    let _ = connection.try_send(answer).await;
                    return;
                }
                None => good(&mut connection).await,
            }
        }
    })
    .await
}

async fn good(connection: &mut OriginConnection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
}

async fn still_good(share: &Share) {
    assert_eq!(share.get("/good").await.text(), "good");
    settled(&share.edge).await;
}

#[tokio::test]
async fn answers_that_are_not_http_are_502() {
    const ANSWERS: &[(&str, &[u8])] = &[
        ("/garbage", b"hello, I am no web server\r\n\r\n"),
        ("/binary", b"\x16\x03\x03\0\x31\x02\0\0\xff\xff\0"),
        ("/ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("/status-99", b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n"),
        ("/status-1000", b"HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n"),
        ("/status-abc", b"HTTP/1.1 abc Text\r\nContent-Length: 0\r\n\r\n"),
        ("/version", b"HTTP/3.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("/no-colon", b"HTTP/1.1 200 OK\r\njust words\r\nContent-Length: 0\r\n\r\n"),
        ("/nul", b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n"),
        ("/lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
        ("/length-text", b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nabcde"),
        ("/length-sign", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcde"),
        ("/coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("/unasked", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
    ];
    let share = scripted(ANSWERS).await;
    let mut wrong = Vec::new();
    for (target, _) in ANSWERS {
        let answer = share.get(target).await;
        if (answer.status(), error(&answer)) != (502, "origin-invalid") {
            wrong.push(format!("{target}: {} {}", answer.status(), error(&answer)));
        }
        still_good(&share).await;
    }
    assert!(wrong.is_empty(), "not 502 origin-invalid: {wrong:#?}");
}

#[tokio::test]
async fn a_head_without_end_is_502() {
    let share = Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            if head.target() != "/endless" {
                good(&mut connection).await;
                continue;
            }
            connection.send("HTTP/1.1 200 OK\r\n").await;
            let line = format!("X-More: {}\r\n", "m".repeat(1_000));
            while connection.try_send(&line).await.is_ok() {}
            return;
        }
    })
    .await;
    let answer = share.get("/endless").await;
    assert_eq!((answer.status(), error(&answer)), (502, "origin-invalid"));
    still_good(&share).await;
}

/// More than an edge lets wait: the first of them pass, and the link goes on.
#[tokio::test]
async fn many_interim_responses_at_once_do_not_end_the_link() {
    let share = Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            if head.target() == "/interim" {
                let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(20);
                connection.send(hints + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
            } else {
                good(&mut connection).await;
            }
        }
    })
    .await;
    for _ in 0..5 {
        let mut visitor = share.visit().await;
        visitor.send(share.request("GET /interim", "")).await;
        let mut hints = 0;
        let last = loop {
            let head = soon(visitor.head()).await.expect("whole").expect("a head");
            match head.status() {
                Some(103) => hints += 1,
                _ => break head,
            }
        };
        assert_eq!((last.status(), hints), (Some(200), 8), "{last:?}");
    }
    still_good(&share).await;
    let lost = share.host.events(0).into_iter().find(|event| event["event"] == "link-lost");
    assert_eq!(lost, None);
}

#[tokio::test]
async fn large_but_honest_heads_pass() {
    let share = Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            let fields = match head.target() {
                "/10KB" => format!("X-Long: {}\r\n", "v".repeat(10_000)),
                "/100" => (0..100).map(|n| format!("X-{n}: {n}\r\n")).collect(),
                _ => (0..5).map(|n| format!("X-{n}: {}\r\n", "v".repeat(10_000))).collect(),
            };
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\ngood");
            connection.send(&answer).await;
        }
    })
    .await;
    let answer = share.get("/10KB").await;
    assert_eq!(answer.head.get("x-long").map(str::len), Some(10_000));
    let answer = share.get("/100").await;
    assert!((0..100).all(|n| answer.head.get(&format!("x-{n}")) == Some(&*n.to_string())));
    let answer = share.get("/50KB").await;
    assert_eq!((answer.status(), &*answer.text()), (200, "good"));
    settled(&share.edge).await;
}

#[tokio::test]
async fn cookies_for_the_whole_base_domain_are_narrowed() {
    const ANSWERS: &[(&str, &[u8])] = &[(
        "/cookies",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\
          Set-Cookie: a=1; Domain=share.example; Path=/\r\n\
          Set-Cookie: b=2; domain=.Share.Example.; Secure\r\n\
          Set-Cookie: c=3; Domain=example; Domain=share.example\r\n\
          Set-Cookie: d=4; Domain=%73hare.example\r\n\
          Set-Cookie: e=5; Domain=elsewhere.example\r\n\r\n",
    )];
    let origin = Origin::start(|mut connection| async move {
        while connection.request().await.is_some() {
            connection.send(ANSWERS[0].1).await;
        }
    })
    .await;
    let edge = EdgeOptions::default().set("base_domain", "share.example").start().await;
    let host = HostOptions::default().name("jar").start(&edge, &origin.target()).await;
    assert!(host.authority().starts_with("jar.share.example"), "{}", host.authority());
    let mut visitor = edge.visit().await;
    visitor.send(format!("GET /cookies HTTP/1.1\r\nHost: {}\r\n\r\n", host.authority())).await;
    let answer = visitor.response(false).await.expect("an answer");
    let cookies: Vec<&str> = answer.head.all("set-cookie").collect();
    assert_eq!(
        cookies,
        ["a=1; Path=/", "b=2; Secure", "c=3", "d=4", "e=5; Domain=elsewhere.example"]
    );
    settled(&edge).await;
}

#[tokio::test]
async fn length_beside_chunked_does_not_reach_the_visitor() {
    const ANSWERS: &[(&str, &[u8])] = &[(
        "/both",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
          5\r\nhello\r\n0\r\n\r\n",
    )];
    let share = scripted(ANSWERS).await;
    let answer = share.get("/both").await;
    // RFC 9112 §6.3: chunked overrides, or it is an error.
    match answer.status() {
        200 => {
            assert_eq!(answer.text(), "hello");
            let framings =
                [answer.head.get("content-length"), answer.head.get("transfer-encoding")];
            assert_eq!(framings.iter().flatten().count(), 1, "{framings:?}");
        }
        status => assert_eq!((status, error(&answer)), (502, "origin-invalid")),
    }
    still_good(&share).await;
}

#[tokio::test]
async fn what_comes_after_a_response_is_nobodys_answer() {
    const ANSWERS: &[(&str, &[u8])] = &[
        ("/more", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        ("/204", b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        ("/304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil"),
    ];
    // The connection stays open, so that wingman could use it again.
    let share = Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            match ANSWERS.iter().find(|(target, _)| *target == head.target()) {
                Some((_, answer)) => connection.send(answer).await,
                None => good(&mut connection).await,
            }
        }
    })
    .await;
    let mut visitor = share.visit().await;
    for _ in 0..5 {
        for (target, _) in ANSWERS {
            visitor.send(share.request(&format!("GET {target}"), "")).await;
            let answer = visitor.response(false).await.expect("an answer");
            assert!(answer.status() < 400 && !answer.text().contains("evil"), "{answer:?}");
            assert_eq!(share.get("/good").await.text(), "good", "after {target}");
        }
    }
    still_good(&share).await;
}

#[tokio::test]
async fn an_origin_that_is_gone_is_502_and_one_that_is_back_serves() {
    let share = Share::of(|mut connection| async move {
        while connection.request().await.is_some() {
            good(&mut connection).await;
        }
    })
    .await;
    still_good(&share).await;
    let Share { edge, mut host, origin } = share;
    let (port, authority) = (origin.port(), host.authority().to_owned());
    drop(origin);
    let ask = async || {
        let mut visitor = edge.visit().await;
        visitor.send(format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await;
        visitor.response(false).await.expect("an answer")
    };
    wingman_tests::until("the origin is gone", Duration::from_secs(5), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err()
    })
    .await;
    for _ in 0..3 {
        let answer = ask().await;
        assert_eq!((answer.status(), error(&answer)), (502, "origin-refused"));
    }
    host.event("origin-down", 0, Duration::from_secs(5)).await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("is free again");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut wire = wingman_tests::Wire::new(stream);
            while let Ok(Some(_)) = wire.head().await {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback").await;
            }
        }
    });
    assert_eq!(ask().await.text(), "back");
    host.event("origin-up", 0, Duration::from_secs(5)).await;
    settled(&edge).await;
}

#[tokio::test]
async fn an_origin_that_hangs_up_is_told_from_one_that_cuts_its_answer() {
    let share = Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            match head.target() {
                "/close" => return,
                "/half-head" => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Le").await;
                    return;
                }
                "/cut" | "/cut-chunked" => {
                    let framing = match head.target() {
                        "/cut" => "Content-Length: 100\r\n\r\nfirst part",
                        _ => "Transfer-Encoding: chunked\r\n\r\na\r\nfirst part\r\n",
                    };
                    connection.send(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
                    // The part is on its way before the end is.
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    return;
                }
                _ => good(&mut connection).await,
            }
        }
    })
    .await;
    for target in ["/close", "/half-head"] {
        let answer = share.get(target).await;
        assert_eq!((answer.status(), error(&answer)), (502, "origin-reset"), "{target}");
        still_good(&share).await;
    }
    for target in ["/cut", "/cut-chunked"] {
        let mut visitor = share.visit().await;
        visitor.send(share.request(&format!("GET {target}"), "")).await;
        let cut = visitor.response(false).await.expect_err("the visitor learns that it is cut");
        assert!(matches!(cut, wingman_tests::Cut::Amid(10, _)), "{cut:?}");
        still_good(&share).await;
    }
}

#[tokio::test]
async fn an_origin_that_never_answers_is_504() {
    let host = HostOptions::default().set("origin.head_timeout", "500ms");
    let share = Share::with(EdgeOptions::default(), host, |mut connection| async move {
        while let Some(head) = connection.request().await {
            match head.target() {
                "/never" => connection.closed().await,
                "/trickle" => {
                    while connection.try_send("H").await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
                _ => good(&mut connection).await,
            }
        }
    })
    .await;
    for method in ["GET /never", "POST /never", "GET /trickle"] {
        let began = Instant::now();
        let mut visitor = share.visit().await;
        let content = if method.starts_with("POST") { "Content-Length: 2\r\n" } else { "" };
        visitor.send(share.request(method, content)).await;
        if !content.is_empty() {
            visitor.send("ab").await;
        }
        let answer = visitor.response(false).await.expect("an answer");
        // What trickles is no HTTP and may be found out before.
        let expected = match method {
            "GET /trickle" => [(504, "origin-timeout"), (502, "origin-invalid")],
            _ => [(504, "origin-timeout"); 2],
        };
        assert!(expected.contains(&(answer.status(), error(&answer))), "{method}: {answer:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        still_good(&share).await;
    }
}
