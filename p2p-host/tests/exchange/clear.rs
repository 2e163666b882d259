//! `Clear-Site-Data`: cookies that the origin tells the browser to drop are not sent directly any more.

use wingman_wire::code::ResetCode;

use crate::world::*;

/// A browser with a session that is sent directly.
async fn logged_in() -> World {
    let mut world = World::new().await;
    world.navigate("/").await;
    world.relayed(Request::new("GET", "/x").with("x-set", "s=1; Path=/; HttpOnly"), None).await;
    world.relayed(Request::new("POST", "/logout"), None).await;
    assert_eq!(world.fetch(Request::new("GET", "/y")).await.1, Went::Direct);
    assert_eq!(world.recorder.last().field("cookie"), Some("s=1"));
    world
}

/// The browser has got the response.
async fn is_logged_out(world: &mut World) {
    world.browser.clear();
    for _ in 0..3 {
        // Every request says what the browser has; some may have been under way.
        let (_, went) = world.fetch(Request::new("GET", "/y")).await;
        assert_eq!(went, Went::Relay);
        assert_eq!(world.recorder.last().field("cookie"), None);
    }
}

#[tokio::test]
async fn by_relay() {
    for kinds in ["\"cookies\"", "\"*\"", "\"cache\", \"cookies\""] {
        let mut world = logged_in().await;
        let logout = Request::new("POST", "/logout").with("x-clear", kinds);
        let response = world.relayed(logout, None).await;
        assert_eq!(response.field("clear-site-data"), Some(kinds));
        is_logged_out(&mut world).await;
    }
}

#[tokio::test]
async fn directly_and_then_by_its_copy() {
    let mut world = logged_in().await;
    let (id, before) = (new_id(), world.recorder.count());
    let logout = Request::new("POST", "/logout")
        .with("x-clear", "\"cookies\"")
        .with("x-set", "bye=1; Path=/; HttpOnly");
    let asked = world.directly(logout.clone(), id);
    let response = world.direct.ask(&asked).await.expect("a response");
    // The worker sees that only the browser can do it.
    assert_eq!(response.field("clear-site-data"), Some("\"cookies\""));
    // Meanwhile nothing goes with the old ones.
    let asked = world.directly(Request::new("GET", "/y"), new_id());
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::RelayOnly));
    let copy = world.relayed(logout, Some(id)).await;
    assert_eq!(copy.field("clear-site-data"), Some("\"cookies\""));
    assert_eq!(copy.cookies(), ["bye=1; Path=/; HttpOnly"]);
    assert_eq!(world.recorder.count(), before + 1, "executed once");
    is_logged_out(&mut world).await;
}

#[tokio::test]
async fn what_leaves_the_cookies_alone_changes_nothing() {
    let mut world = logged_in().await;
    world.relayed(Request::new("POST", "/logout").with("x-clear", "\"cache\""), None).await;
    assert_eq!(world.fetch(Request::new("GET", "/y")).await.1, Went::Direct);
    assert_eq!(world.recorder.last().field("cookie"), Some("s=1"));
}
