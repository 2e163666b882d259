//! A page connects, and its requests are answered.

use std::time::Duration;

use bytes::Bytes;
use wingman_wire::{
    code::ResetCode,
    direct::{HostToPage, PageToHost},
    signal::{Reason, State},
};

use crate::{page::Answer, stage::Stage};

fn hello() -> Answer {
    Answer { status: 200, content: Bytes::from("hello") }
}

#[tokio::test]
async fn a_page_says_hello_and_its_requests_are_answered_on_every_lane() {
    let stage = Stage::new().await;
    let page = stage.page().await;
    assert_eq!(page.connect().await, 128);
    for lane in 0..4 {
        assert_eq!(page.get(lane, "/hello").await, Ok(hello()), "lane {lane}");
    }
    assert_eq!(page.get(1, "/nothing").await.map(|answer| answer.status), Ok(404));
}
