//! gzip on the direct path, which only the worker sees.

use std::io::Read;

use flate2::read::GzDecoder;
use wingman_link::Exchange;
use wingman_mux::Incoming;

use crate::origin::soon;
use crate::replay::ready;
use crate::world::*;

const SIZE: usize = 200_000;

fn text(method: &'static str) -> Request {
    Request::new(method, "/x").with("x-size", SIZE).with("x-type", "text/css")
}

fn decode(coded: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(coded).read_to_end(&mut plain).expect("a whole gzip");
    plain
}

/// Reads until `amount` bytes of text are known.
async fn read_text(exchange: &Exchange, amount: usize) {
    let (mut coded, mut plain) = (Vec::new(), vec![0; amount]);
    soon(async {
        while GzDecoder::new(&*coded).read_exact(&mut plain).is_err() {
            let Some(Incoming::Data(data)) = exchange.read().await else { panic!("no data") };
            coded.extend_from_slice(&data);
        }
    })
    .await;
    assert!(plain.iter().all(|byte| *byte == b'x'));
}

#[tokio::test]
async fn text_goes_as_gzip_to_who_takes_it() {
    let mut world = ready().await;
    for method in ["GET", "POST"] {
        let (id, request) = (new_id(), text(method));
        let asked = world.directly(request.clone(), id).with("wingman-te", "gzip");
        let response = world.direct.ask(&asked).await.expect("a response");
        assert_eq!(response.field("wingman-transfer-coding"), Some("gzip"));
        assert_eq!(response.field("content-length"), Some("200000"), "the content's own");
        assert_eq!(response.field("content-encoding"), None);
        assert!(response.content.len() < 5_000, "{}", response.content.len());
        assert_eq!(decode(&response.content), vec![b'x'; SIZE]);
        assert_eq!(world.recorder.last().field("wingman-te"), None);
        let copy = world.copy(&request, id).await.expect("a response");
        assert_eq!(copy.content, vec![b'x'; SIZE]);
    }
}

#[tokio::test]
async fn others_have_it_as_it_is() {
    let mut world = ready().await;
    let small = Request::new("GET", "/x").with("x-size", 1_000).with("x-type", "text/css");
    let picture = Request::new("GET", "/x").with("x-size", SIZE).with("x-type", "image/png");
    let asked = [
        world.directly(text("GET"), new_id()),
        world.directly(text("GET"), new_id()).with("wingman-te", "br"),
        world.directly(small, new_id()).with("wingman-te", "gzip"),
        world.directly(picture, new_id()).with("wingman-te", "gzip"),
    ];
    for asked in asked {
        let response = world.direct.ask(&asked).await.expect("a response");
        assert_eq!(response.field("wingman-transfer-coding"), None, "an origin says what it likes");
        assert!(response.content.iter().all(|byte| *byte == b'x'));
    }
    let relayed = world.relayed(text("GET").with("wingman-te", "gzip"), None).await;
    assert_eq!((relayed.content.len(), relayed.field("content-encoding")), (SIZE, None));
}

#[tokio::test]
async fn what_has_come_is_sent_at_once() {
    let mut world = ready().await;
    let request = text("GET").with("x-late-gate", 1).with("wingman-te", "gzip");
    let exchange = world.begin(&request, new_id()).await;
    soon(receive_head(&exchange)).await.expect("a head");
    // The origin waits with the other half.
    read_text(&exchange, SIZE / 2).await;
}

#[tokio::test]
async fn a_copy_that_takes_over_amid_it_gets_all_of_it() {
    for dies in [false, true] {
        let mut world = ready().await;
        let (id, request) = (new_id(), text("POST").with("x-late-gate", 1));
        let exchange = world.begin(&request.clone().with("wingman-te", "gzip"), id).await;
        soon(receive_head(&exchange)).await.expect("a head");
        read_text(&exchange, SIZE / 2).await;
        if dies {
            world.direct.cut();
        }
        world.open_soon();
        let copy = world.copy(&request, id).await.expect("a response");
        assert_eq!(copy.content, vec![b'x'; SIZE]);
        assert_eq!(world.recorder.count(), 1, "executed once");
    }
}
