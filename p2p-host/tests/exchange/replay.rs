//! Never executed twice: what becomes of a request that comes by relay after the direct path has failed.

use std::time::Duration;

use tokio::time::sleep;
use wingman_link::Exchange;
use wingman_wire::{
    code::ResetCode,
    id::{RequestId, VisitorId},
};

use crate::origin::soon;
use crate::world::*;

/// A world where requests of all methods may go directly.
pub(crate) async fn ready() -> World {
    make_ready(World::new().await).await
}

async fn make_ready(mut world: World) -> World {
    world.navigate("/").await;
    world.relayed(Request::new("GET", "/x"), None).await;
    world.recorder.seen.lock().clear();
    world
}

fn post() -> Request {
    Request::new("POST", "/x").content(b"content")
}

impl World {
    /// Sends it directly and waits until the origin has it.
    pub(crate) async fn begin(&mut self, request: &Request, id: RequestId) -> Exchange {
        let asked = self.directly(request.clone(), id);
        let exchange = self.direct.open(&asked);
        send_content(&exchange, &asked).await;
        let before = self.recorder.count();
        soon(async {
            while self.recorder.count() == before {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        exchange
    }

    pub(crate) async fn copy(
        &mut self,
        request: &Request,
        id: RequestId,
    ) -> Result<Response, ResetCode> {
        let asked = self.by_relay(request.clone(), Some(id));
        self.relay.ask(&asked).await
    }

    /// Lets all that wait at the origin go on a little later.
    pub(crate) fn open_soon(&self) {
        let gate = self.recorder.gate.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(200)).await;
            gate.add_permits(10);
        });
    }
}

#[tokio::test]
async fn a_finished_one_is_answered_from_what_was_kept() {
    let mut world = ready().await;
    let id = new_id();
    let request = post().with("x-size", 5_000).with("x-set", "s=1; Path=/; HttpOnly");
    let asked = world.directly(request.clone(), id);
    let first = world.direct.ask(&asked).await.expect("a response");
    let ticket = first.field("wingman-ticket").expect("a ticket").to_owned();
    for _ in 0..3 {
        let copy = world.copy(&request, id).await.expect("a response");
        assert_eq!((copy.status, copy.content), (200, first.content.clone()));
        assert_eq!(copy.fields["set-cookie"], "s=1; Path=/; HttpOnly", "not lost");
        assert_eq!(copy.fields.get("wingman-ticket"), None);
        assert_eq!(copy.fields["content-length"], "5000");
    }
    assert_eq!(world.recorder.count(), 1, "executed once");
    // The worker may have been about to fetch them.
    let fetched = Request::new("GET", &format!("/_wingman/cookies/{ticket}"));
    assert_eq!(world.relayed(fetched, None).await.status, 204);
}

#[tokio::test]
async fn a_running_one_is_taken_over_before_its_head() {
    for dies in [false, true] {
        let mut world = ready().await;
        let id = new_id();
        let request = post().with("x-gate", 1).with("x-size", 100_000);
        let direct = world.begin(&request, id).await;
        if dies {
            world.direct.cut();
        }
        world.open_soon();
        let copy = world.copy(&request, id).await.expect("a response");
        assert_eq!((copy.status, copy.content.len()), (200, 100_000));
        assert_eq!(world.recorder.count(), 1, "executed once");
        if !dies {
            assert_eq!(soon(receive(&direct)).await.err(), Some(ResetCode::Cancelled));
        }
    }
}

#[tokio::test]
async fn a_running_one_is_taken_over_amid_its_content() {
    for dies in [false, true] {
        let mut world = ready().await;
        let id = new_id();
        let request =
            post().with("x-late-gate", 1).with("x-size", 200_000).with("x-set", "s=1; Path=/");
        let direct = world.begin(&request, id).await;
        let head = soon(receive_head(&direct)).await.expect("a head");
        let ticket = head.field("wingman-ticket").expect("a ticket").to_owned();
        sleep(Duration::from_millis(100)).await;
        if dies {
            world.direct.cut();
        }
        world.open_soon();
        let copy = world.copy(&request, id).await.expect("a response");
        assert_eq!(
            (copy.content.len(), copy.fields["set-cookie"].as_bytes()),
            (200_000, &b"s=1; Path=/"[..])
        );
        assert_eq!(world.recorder.count(), 1, "executed once");
        // The copy had the cookies.
        let fetched = Request::new("GET", &format!("/_wingman/cookies/{ticket}"));
        assert_eq!(world.relayed(fetched, None).await.status, 404);
    }
}

#[tokio::test]
async fn a_path_that_dies_does_not_cancel_what_runs() {
    let mut world = ready().await;
    let id = new_id();
    let request = post().with("x-gate", 1).with("x-size", 3_000);
    world.begin(&request, id).await;
    world.direct.cut();
    sleep(Duration::from_millis(300)).await;
    world.recorder.gate.add_permits(1);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(*world.recorder.cut.lock(), 0);
    let copy = world.copy(&request, id).await.expect("a response");
    assert_eq!((copy.content.len(), world.recorder.count()), (3_000, 1));
}

#[tokio::test]
async fn a_long_download_that_nobody_takes_ends_at_once() {
    let mut world = ready().await;
    let request = Request::new("GET", "/y").with("x-size", 100_000_000);
    world.begin(&request, new_id()).await;
    world.direct.cut();
    soon(async {
        while *world.recorder.cut.lock() == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // What may not be run again waits for a copy, and takes no more from the origin meanwhile.
    let mut world = ready().await;
    let (id, request) = (new_id(), post().with("x-size", 100_000_000));
    world.begin(&request, id).await;
    world.direct.cut();
    sleep(Duration::from_millis(500)).await;
    let copy = world.copy(&request, id).await.expect("a response");
    assert_eq!((copy.status, copy.field("wingman-error")), (502, Some("replay-lost")));
    assert_eq!(world.recorder.count(), 1, "executed once");
}

#[tokio::test]
async fn a_reader_that_stops_does_not_keep_the_copy_waiting() {
    let mut world = ready().await;
    let id = new_id();
    // More than its credit, less than what is kept: the path is dead, but nobody has said so.
    let request = post().with("x-size", 260_000);
    let silent = world.begin(&request, id).await;
    sleep(Duration::from_millis(200)).await;
    let copy = world.copy(&request, id).await.expect("a response");
    assert_eq!((copy.content.len(), world.recorder.count()), (260_000, 1));
    drop(silent);
}

#[tokio::test]
async fn what_is_too_long_to_keep_is_lost_and_says_so() {
    let mut world = ready().await;
    let id = new_id();
    let request = post().with("x-size", 400_000);
    let asked = world.directly(request.clone(), id);
    assert_eq!(world.direct.ask(&asked).await.expect("a response").content.len(), 400_000);
    let copy = world.copy(&request, id).await.expect("a response");
    assert_eq!((copy.status, copy.field("wingman-error")), (502, Some("replay-lost")));
    assert!(!copy.content.is_empty());
    assert_eq!(world.recorder.count(), 1, "executed once");
}

#[tokio::test]
async fn what_only_reads_is_executed_once_too() {
    let mut world = ready().await;
    // Finished.
    let (id, request) = (new_id(), Request::new("GET", "/y").with("x-size", 10));
    let asked = world.directly(request.clone(), id);
    world.direct.ask(&asked).await.expect("a response");
    assert_eq!(world.copy(&request, id).await.expect("a response").content.len(), 10);
    assert_eq!(world.recorder.count(), 1);
    // Running: the copy takes over.
    let (id, request) = (new_id(), Request::new("GET", "/y").with("x-gate", 1));
    let direct = world.begin(&request, id).await;
    world.open_soon();
    assert_eq!(world.copy(&request, id).await.expect("a response").status, 200);
    assert_eq!(soon(receive(&direct)).await.err(), Some(ResetCode::Cancelled));
    assert_eq!(world.recorder.count(), 2);
}

#[tokio::test]
async fn what_only_reads_is_run_again_if_it_was_too_long_to_be_kept() {
    let mut world = ready().await;
    let (id, request) = (new_id(), Request::new("GET", "/y").with("x-size", 300_000));
    let asked = world.directly(request.clone(), id);
    world.direct.ask(&asked).await.expect("a response");
    assert_eq!(world.copy(&request, id).await.expect("a response").content.len(), 300_000);
    assert_eq!(world.recorder.count(), 2);
}

#[tokio::test]
async fn a_request_that_was_not_whole_was_not_executed() {
    let mut world = ready().await;
    let (id, request) = (new_id(), post());
    let asked = world.directly(request.clone(), id);
    // Its content does not come.
    let direct = world.direct.open(&asked);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(world.recorder.count(), 0);
    let copy = world.copy(&request, id).await.expect("a response");
    assert_eq!((copy.status, world.recorder.count()), (200, 1));
    assert_eq!(world.recorder.last().content, b"content");
    assert_eq!(soon(receive(&direct)).await.err(), Some(ResetCode::Cancelled));
    // And the same when the path dies first.
    let id = new_id();
    let asked = world.directly(request.clone(), id);
    let _direct = world.direct.open(&asked);
    sleep(Duration::from_millis(100)).await;
    world.direct.cut();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(world.copy(&request, id).await.expect("a response").status, 200);
    assert_eq!(world.recorder.count(), 2);
}

#[tokio::test]
async fn a_direct_request_that_comes_after_its_copy_is_not_executed() {
    let mut world = ready().await;
    for request in [post(), Request::new("GET", "/x")] {
        let id = new_id();
        world.copy(&request, id).await.expect("a response");
        let before = world.recorder.count();
        let asked = world.directly(request, id);
        assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::Cancelled));
        assert_eq!(world.recorder.count(), before);
    }
}

#[tokio::test]
async fn a_request_of_relay_only_is_run_by_relay() {
    let mut world = World::new().await;
    world.navigate("/").await;
    let (response, went) = world.fetch(Request::new("POST", "/new").content(b"1")).await;
    assert_eq!((response.status, went), (200, Went::Relay));
    assert_eq!(world.recorder.count(), 2);
}

#[tokio::test]
async fn the_copy_of_a_request_of_relay_only_is_run_once_and_teaches() {
    let mut world = World::new().await;
    // From before the host was there: a document that does not show it may mean that it is gone by now.
    world.browser.set("s=1; Path=/; HttpOnly", "/", 0);
    world.native.set("s=1; Path=/; HttpOnly", "/", 0);
    let mut world = make_ready(world).await;
    let id = new_id();
    let asked = world.directly(post(), id);
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::RelayOnly));
    assert_eq!(world.recorder.count(), 0);
    // Without an id a relayed request may be from before that document, and proves nothing.
    world.relayed(Request::new("GET", "/y"), None).await;
    let asked = world.directly(Request::new("GET", "/y"), new_id());
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::RelayOnly));
    let before = world.recorder.count();
    assert_eq!(world.copy(&post(), id).await.expect("a response").status, 200);
    assert_eq!(world.recorder.count(), before + 1);
    assert_eq!(world.fetch(post()).await.1, Went::Direct, "it has taught");
    assert_eq!(world.recorder.last().field("cookie"), Some("s=1"));
    // Another copy is none, nor is the request itself if it comes again.
    let before = world.recorder.count();
    assert_eq!(world.copy(&post(), id).await.expect("a response").status, 502);
    let again = world.directly(post(), id);
    assert_eq!(world.direct.ask(&again).await.err(), Some(ResetCode::Cancelled));
    assert_eq!(world.recorder.count(), before);
}

/// A browser may become another visitor while a page is open: its cookies were cleared, or two first documents were
/// loaded at once. The peer keeps the visitor that it had.
#[tokio::test]
async fn a_copy_of_another_visitor_is_the_same_request() {
    for running in [false, true] {
        let mut world = ready().await;
        let (id, request) = (new_id(), post().with("x-set", "s=1; Path=/; HttpOnly"));
        let ticket = if running {
            let request = request.clone().with("x-late-gate", 1);
            let direct = world.begin(&request, id).await;
            let head = soon(receive_head(&direct)).await.expect("a head");
            head.field("wingman-ticket").expect("a ticket").to_owned()
        } else {
            let asked = world.directly(request.clone(), id);
            let response = world.direct.ask(&asked).await.expect("a response");
            response.field("wingman-ticket").expect("a ticket").to_owned()
        };
        let was = std::mem::replace(&mut world.visitor, VisitorId::from_bits(7));
        // The cookies wait for the visitor that was; so the worker asks again.
        let fetch = Request::new("GET", &format!("/_wingman/cookies/{ticket}"));
        assert_eq!(world.relayed(fetch.clone(), None).await.status, 404);
        world.open_soon();
        let copy = world.relayed(request, Some(id)).await;
        assert_eq!((copy.status, copy.cookies().len()), (200, 1), "running: {running}");
        assert_eq!(world.recorder.count(), 1, "executed once");
        // They are in the jar of the visitor that is, and nowhere else.
        world.navigate("/").await;
        world.direct = world.another_direct().await;
        assert_eq!(world.fetch(Request::new("GET", "/y")).await.1, Went::Direct);
        assert_eq!(world.recorder.last().field("cookie"), Some("s=1"));
        world.visitor = was;
        assert_eq!(
            world.relayed(fetch, None).await.status,
            404,
            "the ticket is of no use any more"
        );
    }
}

#[tokio::test]
async fn a_copy_without_a_visitor_is_the_same_request() {
    // As when the app wants no cookies with it: the edge's is one.
    let mut world = ready().await;
    for gate in [false, true] {
        world.recorder.seen.lock().clear();
        let id = new_id();
        let request = post().with("wingman-request-id", id);
        let request = if gate { request.with("x-gate", 1) } else { request };
        let omit = request.clone().with("wingman-credentials", "omit");
        let direct = world.direct.open(&omit);
        send_content(&direct, &omit).await;
        if gate {
            soon(async {
                while world.recorder.count() == 0 {
                    sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            world.open_soon();
        } else {
            soon(receive(&direct)).await.expect("a response");
        }
        assert_eq!(world.relay.ask(&request).await.expect("a response").status, 200);
        assert_eq!(world.recorder.count(), 1, "executed once");
        // Nor after it.
        let id = new_id();
        world.relay.ask(&post().with("wingman-request-id", id)).await.expect("a response");
        let late = world.directly(post(), id);
        assert_eq!(world.direct.ask(&late).await.err(), Some(ResetCode::Cancelled));
        assert_eq!(world.recorder.count(), 2, "executed once");
    }
}

#[tokio::test]
async fn a_visitor_who_cancels_cancels_at_the_origin() {
    let mut world = ready().await;
    let request = post().with("x-gate", 1);
    let direct = world.begin(&request, new_id()).await;
    direct.reset(ResetCode::Cancelled);
    soon(async {
        while *world.recorder.cut.lock() == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_abandoned_is_no_response() {
    for late in [false, true] {
        let mut world = ready().await;
        let gate = if late { "x-late-gate" } else { "x-gate" };
        for (request, status) in [(Request::new("GET", "/y"), 200), (post(), 502)] {
            let (before, cut) = (world.recorder.count(), *world.recorder.cut.lock());
            let (id, gated) = (new_id(), request.clone().with(gate, 1).with("x-size", 1_000));
            let direct = world.begin(&gated, id).await;
            direct.reset(ResetCode::Cancelled);
            soon(async {
                while *world.recorder.cut.lock() == cut {
                    sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
            // The page wants it after all: it has only changed the path.
            let copy = world.copy(&request, id).await.expect("a response");
            assert_eq!(copy.status, status, "{request:?}");
            let runs = world.recorder.count() - before;
            assert_eq!(runs, if status == 200 { 2 } else { 1 }, "{request:?}");
            let lost = (status == 502).then_some("replay-lost");
            assert_eq!(copy.field("wingman-error"), lost);
        }
    }
}

#[tokio::test]
async fn a_page_that_gives_up_the_path_may_say_so_first() {
    let mut world = ready().await;
    let (id, request) = (new_id(), post().with("x-gate", 1));
    let direct = world.begin(&request, id).await;
    direct.reset(ResetCode::Cancelled);
    sleep(Duration::from_millis(300)).await;
    world.open_soon();
    assert_eq!(world.copy(&request, id).await.expect("a response").status, 200);
    assert_eq!(world.recorder.count(), 1, "executed once");
}

#[tokio::test]
async fn a_page_that_lost_the_path_has_all_the_time() {
    let mut world = ready().await;
    let (id, request) = (new_id(), post().with("x-gate", 1));
    let direct = world.begin(&request, id).await;
    direct.reset(ResetCode::PathLost);
    sleep(Duration::from_millis(2_000)).await;
    assert_eq!(*world.recorder.cut.lock(), 0, "it is not given up");
    world.open_soon();
    assert_eq!(world.copy(&request, id).await.expect("a response").status, 200);
    assert_eq!(world.recorder.count(), 1, "executed once");
}

#[tokio::test]
async fn a_failure_is_the_same_for_the_copy() {
    let mut world = ready().await;
    let (id, request) = (new_id(), post().with("x-die", 1));
    let asked = world.directly(request.clone(), id);
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::OriginReset));
    let runs = world.recorder.count();
    assert_eq!(world.copy(&request, id).await.err(), Some(ResetCode::OriginReset));
    assert_eq!(world.recorder.count(), runs, "not executed again");
}

#[tokio::test]
async fn a_large_upload_is_for_the_relay() {
    let mut world = ready().await;
    let request = Request::new("POST", "/x").content(&vec![1; 1024 * 1024 + 1]);
    let asked = world.directly(request.clone(), new_id());
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::RelayOnly));
    assert_eq!(world.recorder.count(), 0);
    let fits = Request::new("POST", "/x").content(&vec![1; 1024 * 1024]);
    let asked = world.directly(fits, new_id());
    assert_eq!(world.direct.ask(&asked).await.expect("a response").status, 200);
    assert_eq!(world.recorder.last().content.len(), 1024 * 1024);
}

#[tokio::test]
async fn copies_of_copies_take_over_too() {
    let mut world = ready().await;
    let (id, request) = (new_id(), post().with("x-gate", 1).with("x-size", 1_000));
    let _direct = world.begin(&request, id).await;
    let asked = world.by_relay(request.clone(), Some(id));
    let first = world.relay.open(&asked);
    send_content(&first, &asked).await;
    sleep(Duration::from_millis(100)).await;
    world.open_soon();
    assert_eq!(world.copy(&request, id).await.expect("a response").content.len(), 1_000);
    assert_eq!(soon(receive(&first)).await.err(), Some(ResetCode::Cancelled));
    assert_eq!(world.recorder.count(), 1);
}

#[tokio::test]
async fn uploads_of_a_visitor_have_a_budget() {
    let mut world = ready().await;
    let mut open = Vec::new();
    // All of it but the last byte: none is executed.
    for _ in 0..8 {
        let asked = world.directly(Request::new("POST", "/x"), new_id());
        let mut asked = asked.with("content-length", 1024 * 1024);
        asked.content = vec![1];
        let exchange = world.direct.open(&asked);
        let mut content = bytes::Bytes::from(vec![1; 1024 * 1024 - 1]);
        soon(exchange.send_data(&mut content)).await.expect("taken");
        open.push(exchange);
    }
    sleep(Duration::from_millis(300)).await;
    assert_eq!(world.recorder.count(), 0);
    let request = Request::new("POST", "/x").content(&[1; 100]);
    let asked = world.directly(request.clone(), new_id());
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::RelayOnly));
    // Another visitor has its own.
    let asked = world.directly(request.clone(), new_id()).with("wingman-credentials", "omit");
    let other = world.direct_of(VisitorId::from_bits(rand::random())).await;
    assert_eq!(other.ask(&asked).await.expect("a response").status, 200);
    // What gives up gives its bytes back.
    open.clear();
    sleep(Duration::from_millis(300)).await;
    let asked = world.directly(request, new_id());
    assert_eq!(world.direct.ask(&asked).await.expect("a response").status, 200);
}

#[tokio::test]
async fn exchanges_that_outlive_their_carrier_are_limited() {
    let mut world = make_ready(World::with(|runner| runner.with_resumables(3)).await).await;
    let (request, mut begun) = (post().with("x-gate", 1), Vec::new());
    // A page that comes and goes, and leaves work behind each time.
    for _ in 0..3 {
        let id = new_id();
        world.begin(&request, id).await;
        world.direct.cut();
        world.direct = world.another_direct().await;
        begun.push(id);
    }
    let id = new_id();
    let asked = world.directly(post(), id);
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::Refused));
    assert_eq!(world.recorder.count(), 3, "not executed");
    assert_eq!(world.copy(&post(), id).await.expect("a response").status, 200);
    assert_eq!(world.recorder.count(), 4, "executed once");
    // What is there goes on, and makes room at its end.
    world.open_soon();
    for id in begun {
        assert_eq!(world.copy(&request, id).await.expect("a response").status, 200);
    }
    assert_eq!(world.recorder.count(), 4);
    let asked = world.directly(post(), new_id());
    assert_eq!(world.direct.ask(&asked).await.expect("a response").status, 200);
}

#[tokio::test]
async fn what_a_visitor_has_given_up_counts_while_it_runs() {
    let mut world = ready().await;
    let gated = Request::new("GET", "/x").with("x-gate", 1);
    let carriers = [world.another_direct().await, world.another_direct().await];
    let mut running = Vec::new();
    for number in 0..128 {
        let asked = world.directly(gated.clone(), new_id());
        running.push(carriers[number % 2].open(&asked));
    }
    soon(async {
        while world.recorder.count() < 128 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    running.truncate(64);
    sleep(Duration::from_millis(200)).await;
    let asked = world.directly(Request::new("GET", "/x"), new_id());
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::Refused));
    let asked = asked.with("wingman-credentials", "omit");
    let other = world.direct_of(VisitorId::from_bits(rand::random())).await;
    assert_eq!(other.ask(&asked).await.expect("a response").status, 200);
    // A page that changes its mind may have its copy by relay for a second.
    sleep(Duration::from_millis(1_500)).await;
    let asked = world.directly(Request::new("GET", "/x"), new_id());
    assert_eq!(world.direct.ask(&asked).await.expect("a response").status, 200);
    assert_eq!(world.recorder.count(), 130);
}
