//! Documents come as they are sent, however large, and end as they end.

use wingman_tests::{Cut, content, process::Growth, soon};

use crate::stage::{NAVIGATION, Stage, piece, split};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(piece: &str) -> String {
    format!("{:x}\r\n{piece}\r\n", piece.len())
}

#[tokio::test]
async fn a_document_that_is_cut_is_cut_and_what_came_is_there() {
    let mut stage = Stage::start().await;
    for pieces in [&["<html><head><tit"][..], &["<html><he"], &["<head><title>a</title>"]] {
        let mut visitor = stage.share.visit().await;
        visitor.send(stage.share.request("GET /", NAVIGATION)).await;
        let (mut origin, _) = stage.handed.next().await;
        origin.send(HEAD).await;
        for piece in pieces {
            origin.send(chunk(piece)).await;
        }
        drop(origin);
        let head = soon(visitor.head()).await.expect("whole").expect("a head");
        visitor.begin(&head, false);
        let mut got = Vec::new();
        let end = loop {
            match soon(visitor.piece()).await {
                Ok(Some(piece)) => got.extend_from_slice(&piece),
                end => break end,
            }
        };
        assert!(matches!(end, Err(Cut::Amid(..))), "{end:?}");
        assert_eq!(String::from_utf8_lossy(&split(&got).0), pieces.concat());
    }
}

mod alone {
    use std::time::{Duration, Instant};

    use super::*;

    /// Each piece is sent when the one before has arrived: a buffer anywhere would hold one for ever.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn pieces_arrive_when_they_are_sent() {
        let mut stage = Stage::start().await;
        let mut visitor = stage.share.visit().await;
        visitor.send(stage.share.request("GET /", NAVIGATION)).await;
        let (mut origin, _) = stage.handed.next().await;
        origin.send(HEAD).await;
        let head = soon(visitor.head()).await.expect("whole").expect("a head");
        visitor.begin(&head, false);
        let pieces =
            ["<!doctype html>", "<html>", "<!-- a ", " b -->", "<head>", "<title>c</title>"];
        let later = ["</head><body><p>", "one", "<b>two</b> <", "i>three"];
        let mut all = Vec::new();
        for piece_sent in pieces.iter().chain(&later) {
            let sent = Instant::now();
            origin.send(chunk(piece_sent)).await;
            let (before, wanted) = (all.len(), piece_sent.len());
            while all.len() < before + wanted {
                all.extend(piece(&mut visitor).await);
            }
            let took = sent.elapsed();
            assert!(took < Duration::from_millis(50), "{piece_sent} took {took:?}");
        }
        origin.send("0\r\n\r\n").await;
        assert!(soon(visitor.piece()).await.expect("ends well").is_none());
        let (without, tag) = split(&all);
        assert_eq!(String::from_utf8_lossy(&without), [&pieces[..], &later].concat().concat());
        assert!(tag.is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_large_document_takes_no_memory() {
        const SIZE: usize = 20 << 20;
        let mut stage = Stage::start().await;
        stage.navigate(crate::stage::html("<p>warm")).await;
        // The tag comes early in one, and never in the other: all of it is looked at.
        for start in ["<!doctype html><head><title>a</title>", "<!-- "] {
            let growth = Growth::of(stage.share.edge.pid());
            let mut visitor = stage.share.visit().await;
            visitor.send(stage.share.request("GET /", NAVIGATION)).await;
            let (mut origin, _) = stage.handed.next().await;
            let kind = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
            let length = start.len() + SIZE;
            origin.send(format!("{kind}Content-Length: {length}\r\n\r\n{start}")).await;
            let mut expected = content::Tally::default();
            expected.take(start.as_bytes());
            let sending = tokio::spawn(async move {
                let mut sent = 0;
                while sent < SIZE {
                    let piece = content::piece(sent as u64, (SIZE - sent).min(64 * 1024));
                    // Not the end of a comment by chance.
                    let text: Vec<u8> = piece.iter().map(|byte| b'a' + byte % 26).collect();
                    expected.take(&text);
                    sent += text.len();
                    origin.send(text).await;
                }
                (origin, expected)
            });
            let head = soon(visitor.head()).await.expect("whole").expect("a head");
            visitor.begin(&head, false);
            let mut got = content::Tally::default();
            let mut first = Vec::new();
            while first.len() < 1_000 {
                first.extend(piece(&mut visitor).await);
            }
            got.take(&split(&first).0);
            while let Some(piece) = soon(visitor.piece()).await.expect("whole") {
                got.take(&piece);
                if got.length() % 16 == 0 {
                    // A reader that is slower than its origin.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            let (_origin, expected) = soon(sending).await.expect("all is sent");
            assert_eq!(got.length(), length as u64);
            assert_eq!(got.hash(), expected.hash());
            let peak = growth.peak();
            assert!(peak < 12 << 20, "{} KiB more", peak >> 10);
        }
    }
}
