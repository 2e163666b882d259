//! The network between host and edge goes dead without a word to either.

use std::time::Duration;

use wingman_tests::{Edge, Origin, Share, within};

use super::{NOTICED, OK, ask, cable::Cable, code, hasty_edge, hasty_host};

#[tokio::test]
async fn cut_both_ends_notice_and_meet_again() {
    let (origin, mut handed) = Origin::handing_over().await;
    let edge: Edge = hasty_edge().start().await;
    let cable = Cable::to(edge.port()).await;
    let host = hasty_host().edge_port(cable.port()).start(&edge, &origin.target()).await;
    let mut share = Share { edge, host, origin };
    let url = share.host.url().to_owned();

    let mut waiting = ask(&share, "/waiting").await;
    let (mut cancelled, _) = handed.next().await;
    let before = share.host.events(0).len();
    cable.cut();
    let page = within(NOTICED, waiting.response(false)).await.expect("whole");
    assert_eq!((page.status(), &*code(&page)), (502, "link-lost"));
    within(NOTICED, cancelled.closed()).await;
    let ready = share.host.event("ready", before, Duration::from_secs(3)).await;
    assert_eq!((&ready["url"], &ready["resumed"]), (&url.into(), &true.into()));
    let mut visitor = ask(&share, "/").await;
    let (mut origin, _) = handed.next().await;
    origin.send(OK).await;
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
}
